//! Which other page may show this one in a frame: by default none.

use axum::{
    Router,
    middleware::{Next, from_fn},
    response::Response,
};
use http::{HeaderValue, header};
use url::{Origin, Url};

use crate::protect::NO_FRAMES;

/// The variable that names the origin.
pub(crate) const FRAME_ORIGIN_VARIABLE: &str = "FRAME_ORIGIN";

/// The one origin whose pages may frame a program's pages, such as `http://localhost:9030`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameOrigin(String);

/// A text that is not an origin.
#[derive(Debug, thiserror::Error)]
#[error(
    "{FRAME_ORIGIN_VARIABLE} is \"{0}\"; it must be an origin such as http://localhost:9030, without a path"
)]
pub struct FrameOriginError(String);

impl FrameOrigin {
    /// Parses an origin: scheme, host and port, with nothing after them.
    ///
    /// # Errors
    /// [`FrameOriginError`] shows what an origin looks like.
    pub fn parse(text: &str) -> Result<Self, FrameOriginError> {
        let wrong = || FrameOriginError(text.to_owned());
        let url = Url::parse(text).map_err(|_| wrong())?;
        let origin = url.origin();
        let is_web = matches!(url.scheme(), "http" | "https");
        let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let is_anonymous = url.username().is_empty() && url.password().is_none();
        if matches!(origin, Origin::Tuple(..)) && is_web && is_bare && is_anonymous {
            Ok(Self(origin.ascii_serialization()))
        } else {
            Err(wrong())
        }
    }
}

/// Lets pages of `origin` show those of `router` in frames; [`crate::protect`] must already have
/// wrapped the router.
pub fn framed(router: Router, origin: Option<FrameOrigin>) -> Router {
    let Some(FrameOrigin(origin)) = origin else {
        return router;
    };
    router.layer(from_fn(move |request, next: Next| {
        let allowed = format!("frame-ancestors {origin}");
        async move {
            let mut response = next.run(request).await;
            allow(&mut response, &allowed);
            response
        }
    }))
}

fn allow(response: &mut Response, allowed: &str) {
    let headers = response.headers_mut();
    let policy = headers
        .get(header::CONTENT_SECURITY_POLICY)
        .and_then(|policy| policy.to_str().ok())
        .filter(|policy| policy.contains(NO_FRAMES))
        .and_then(|policy| HeaderValue::from_str(&policy.replace(NO_FRAMES, allowed)).ok());
    if let Some(policy) = policy {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        // Its only values are "nobody" and "this origin".
        headers.remove(header::X_FRAME_OPTIONS);
    }
}

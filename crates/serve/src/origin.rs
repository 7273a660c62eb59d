//! Keeps other web sites from acting through a visitor's browser: no cross-site forms, no page
//! reached under a name that is not ours (DNS rebinding).
//!
//! Programs such as curl send neither `Origin` nor `Sec-Fetch-Site` and pass: there is no visitor
//! whose rights they could borrow.

use std::{net::IpAddr, sync::Arc};

use axum::{
    Router,
    extract::Request,
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, StatusCode, header, uri::Authority};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A request that another web site may have caused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CrossSite {
    /// The browser says that another site made this request.
    #[error("this request came from another web site; open the page itself and try again")]
    OtherSite,
    /// The page was reached under a name that is not its own.
    #[error("this server does not answer to the name {host:?}; open it as localhost")]
    OtherHost {
        /// What the `Host` header said.
        host: String,
    },
    /// Two readers of the request could understand it differently.
    #[error("this request's {header} header {reason}")]
    Malformed {
        /// `host` or `origin`.
        header: HeaderName,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl IntoResponse for CrossSite {
    fn into_response(self) -> Response {
        let status = match self {
            Self::OtherSite => StatusCode::FORBIDDEN,
            Self::OtherHost { .. } => StatusCode::MISDIRECTED_REQUEST,
            Self::Malformed { .. } => StatusCode::BAD_REQUEST,
        };
        (status, format!("{self}\n")).into_response()
    }
}

/// Guards every route of `router`: requests that change something must come from its own pages, and
/// every request must name this server as `localhost`, by an IP address, or by one of `names`,
/// under which it is published.
pub fn same_origin(router: Router, names: impl IntoIterator<Item = impl Into<String>>) -> Router {
    let names: Arc<[String]> = names.into_iter().map(Into::into).collect();
    router.layer(from_fn(move |request: Request, next: Next| {
        let names = Arc::clone(&names);
        async move {
            let checked = check_form(request.headers()).and_then(|()| {
                check_host(&request, &names)?;
                if request.method().is_safe() {
                    Ok(())
                } else {
                    check_same_origin(request.headers())
                }
            });
            match checked {
                Ok(()) => next.run(request).await,
                Err(refusal) => {
                    tracing::debug!(%refusal, "refused a request from another site");
                    refusal.into_response()
                }
            }
        }
    }))
}

/// Checks that one of this server's own pages sent the request, or no browser at all.
///
/// # Errors
/// [`CrossSite::OtherSite`] turns into a response with status 403, [`CrossSite::Malformed`] into
/// one with 400.
pub fn check_same_origin(headers: &HeaderMap) -> Result<(), CrossSite> {
    check_form(headers)?;
    let permitted = if let Some(site) = headers.get(SEC_FETCH_SITE) {
        // `same-site` is refused too: another port of localhost is another program.
        site == "same-origin" || site == "none"
    } else if let Some(origin) = headers.get(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or_default();
        let authority = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        // `Origin: null` (a sandboxed frame, a local file) has no authority and is refused.
        match (authority, host) {
            (Some(authority), Some(host)) => authority.eq_ignore_ascii_case(host),
            _ => false,
        }
    } else {
        true
    };
    if permitted {
        Ok(())
    } else {
        Err(CrossSite::OtherSite)
    }
}

/// Checks that there is at most one of each header, and that the host has no user name, as a URL
/// may.
fn check_form(headers: &HeaderMap) -> Result<(), CrossSite> {
    for header in [header::HOST, header::ORIGIN, SEC_FETCH_SITE] {
        if headers.get_all(&header).iter().nth(1).is_some() {
            let reason = "came more than once; send it once";
            return Err(CrossSite::Malformed { header, reason });
        }
    }
    match headers.get(header::HOST) {
        Some(host) if host.as_bytes().contains(&b'@') => Err(CrossSite::Malformed {
            header: header::HOST,
            reason: "has a user in it; send the host alone",
        }),
        _ => Ok(()),
    }
}

fn check_host(request: &Request, names: &[String]) -> Result<(), CrossSite> {
    // HTTP/1.0 clients may leave it out; no browser does.
    let header = request.headers().get(header::HOST);
    let target = request.uri().authority().map(Authority::as_str);
    let claims = header.map(|host| host.to_str().unwrap_or("(not text)"));
    for host in claims.into_iter().chain(target) {
        if !is_own(host, names) {
            return Err(CrossSite::OtherHost {
                host: host.to_owned(),
            });
        }
    }
    Ok(())
}

/// An IP address is always ours: rebinding needs a name whose answer can change.
fn is_own(host: &str, names: &[String]) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let host = authority.host();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok()
        || host.eq_ignore_ascii_case("localhost")
        || names.iter().any(|name| host.eq_ignore_ascii_case(name))
}

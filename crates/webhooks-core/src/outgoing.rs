//! A request as it leaves, for a program that shows or records what it really sends.

use std::{fmt, sync::Arc};

use http::HeaderMap;
use url::Url;

/// One attempt's request, signed and about to go out: a `POST` of `body` to `url`.
///
/// `content-length` is added to these headers, nothing else.
#[derive(Clone, Copy)]
pub struct OutgoingRequest<'a> {
    /// Where it goes, without credentials; they are in the headers.
    pub url: &'a Url,
    /// The event's id.
    pub event_id: &'a str,
    /// The headers, the signature among them. An endpoint's own headers may hold credentials: show
    /// them to its owner only.
    pub headers: &'a HeaderMap,
    /// The body, byte for byte.
    pub body: &'a [u8],
}

impl fmt::Debug for OutgoingRequest<'_> {
    /// Without the headers' values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutgoingRequest")
            .field("event_id", &self.event_id)
            .finish_non_exhaustive()
    }
}

/// Who is shown each request.
pub(crate) type Watcher = Arc<dyn Fn(OutgoingRequest<'_>) + Send + Sync>;

//! A request as it goes out, for programs that show or record what they really send.

use std::{fmt, sync::Arc};

use http::HeaderMap;
use url::Url;

/// One attempt's request, signed and about to go out: a `POST` of `body` to `url`.
///
/// Only `content-length` is added to these headers.
#[derive(Clone, Copy)]
pub struct OutgoingRequest<'a> {
    /// Where it goes, without credentials; they are in the headers.
    pub url: &'a Url,
    /// The event's id.
    pub event_id: &'a str,
    /// The headers, including the signature. An endpoint's own headers may hold credentials: show them only to its
    /// owner.
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

/// The callback that sees each request.
pub(crate) type Watcher = Arc<dyn Fn(OutgoingRequest<'_>) + Send + Sync>;

//! New events, as columns.

use bytes::Bytes;

/// New events, as columns.
#[derive(Default)]
pub(super) struct NewEvents {
    pub(super) seqs: Vec<i64>,
    pub(super) ids: Vec<String>,
    pub(super) customers: Vec<String>,
    pub(super) types: Vec<String>,
    pub(super) bodies: Vec<Bytes>,
    pub(super) traceparents: Vec<Option<String>>,
}

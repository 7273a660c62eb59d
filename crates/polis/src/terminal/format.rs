//! How records become lines of the log.

use std::fmt::Debug;

use jiff::Timestamp;

use crate::record::Record;

/// Turns records into lines.
pub(crate) trait Format: Debug + Send + Sync {
    fn arrived(&self, out: &mut Vec<u8>, record: &Record);
    fn answered(&self, out: &mut Vec<u8>, record: &Record, at: Timestamp);
}

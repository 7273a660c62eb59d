//! An attempt, as it is stored.

use std::time::Duration;

use crate::{
    attempt::{Attempt, BodyCut, Failure, Outcome},
    clock::Timeline,
    model::outcome::header_pairs,
    store::error::StoreError,
};

pub(super) struct AttemptRow {
    pub(super) number: u32,
    pub(super) at: i64,
    pub(super) duration_us: i64,
    pub(super) status: Option<u16>,
    /// The word for the failure; `None` for a success.
    pub(super) failure: Option<String>,
    /// What the failure says; of a success, how the body was cut.
    pub(super) detail: Option<String>,
    pub(super) headers: String,
    pub(super) body_head: Vec<u8>,
}

impl AttemptRow {
    pub(super) fn attempt(self, timeline: &Timeline) -> Result<Attempt, StoreError> {
        let body_cut = self.detail.as_deref().and_then(BodyCut::from_stored);
        let outcome = match self.failure {
            None => Outcome::Success,
            Some(code) => {
                let detail = self.detail.unwrap_or_default();
                let failure = Failure::from_stored(&code, detail, self.status);
                let damaged =
                    || StoreError::Damaged(format!("the failure of attempt {}", self.number));
                Outcome::Failure(failure.ok_or_else(damaged)?)
            }
        };
        Ok(Attempt {
            number: self.number,
            at: timeline.to_wall(self.at),
            duration: Duration::from_micros(self.duration_us.unsigned_abs()),
            outcome,
            status: self.status,
            headers: header_pairs(&self.headers),
            body_head: self.body_head,
            body_cut,
        })
    }
}

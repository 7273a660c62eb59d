//! Reading texts without changing them.

use jiff::Timestamp;

use super::{
    Ledger, LedgerError, claim,
    row::{self, columns},
};
use crate::{text::Text, times};

/// Texts in doubt that are looked up when the program starts; for the rest, the next copy of
/// their event does it.
const UNSETTLED_READ_MAX: u32 = 100;

impl Ledger {
    /// The text that was made for an event.
    pub(crate) async fn of_event(&self, event_id: &str) -> Result<Option<Text>, LedgerError> {
        let event_id = event_id.to_owned();
        self.call(move |connection| row::by_event(connection, &event_id))
            .await
    }

    /// The last `count` texts, the newest first.
    pub(crate) async fn latest(&self, count: u32) -> Result<Vec<Text>, LedgerError> {
        self.call(move |connection| {
            connection
                .prepare_cached(concat!(
                    "select ",
                    columns!(),
                    // by texts_by_age
                    " from texts order by received_at_ms desc, rowid desc limit ?1"
                ))?
                .query_map([count], row::text)?
                .collect()
        })
        .await
    }

    /// How many texts count toward the limit of `now`'s day.
    pub(crate) async fn counted(&self, now: Timestamp) -> Result<u32, LedgerError> {
        self.call(move |connection| claim::counted(connection, &times::day(now)))
            .await
    }

    /// The texts of which it is not known whether Twilio took them. To be called before the
    /// first text is claimed: one that is still claimed then was left by a crash.
    pub(crate) async fn left_in_doubt(&self) -> Result<Vec<Text>, LedgerError> {
        self.call(move |connection| {
            // by texts_unsettled
            connection.execute(
                "update texts set state = 'in_doubt', doubt = 'silent', \
                 error_message = 'the texter stopped while it gave the text to Twilio' \
                 where rank = 0 and state = 'claimed'",
                [],
            )?;
            connection
                .prepare(concat!(
                    "select ",
                    columns!(),
                    // by texts_unsettled
                    " from texts where rank = 0 and state = 'in_doubt' limit ?1"
                ))?
                .query_map([UNSETTLED_READ_MAX], row::text)?
                .collect()
        })
        .await
    }
}

//! Reading texts without changing them.

use jiff::Timestamp;

use super::{
    Ledger, LedgerError, claim,
    row::{self, columns},
};
use crate::{text::Text, times};

/// Maximum number of texts in doubt that are looked up when the program starts; for the rest, the
/// next copy of their event does it.
const UNSETTLED_READ_MAX: u32 = 100;

/// Uses the index `texts_by_age`.
const LATEST: &str = concat!(
    "select ",
    columns!(),
    " from texts order by received_at_ms desc, rowid desc limit ?1"
);
/// Uses the index `texts_unsettled`.
const LEFT_BY_A_CRASH: &str = "update texts set state = 'in_doubt', doubt = 'silent', \
     error_message = 'the texter stopped while it gave the text to Twilio' \
     where rank = 0 and state = 'claimed'";
/// Uses the index `texts_unsettled`.
const IN_DOUBT: &str = concat!(
    "select ",
    columns!(),
    " from texts where rank = 0 and state = 'in_doubt' limit ?1"
);

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
                .prepare_cached(LATEST)?
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

    /// The texts that Twilio may or may not have accepted. Call this before the first text is
    /// claimed: one that is still claimed then was left by a crash.
    pub(crate) async fn left_in_doubt(&self) -> Result<Vec<Text>, LedgerError> {
        self.call(move |connection| {
            connection.execute(LEFT_BY_A_CRASH, [])?;
            connection
                .prepare(IN_DOUBT)?
                .query_map([UNSETTLED_READ_MAX], row::text)?
                .collect()
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::{
        super::{SCHEMA, change},
        *,
    };

    #[test]
    fn what_each_webhook_runs_goes_by_an_index() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        for (statement, index) in [
            (LATEST, "texts_by_age"),
            (LEFT_BY_A_CRASH, "texts_unsettled"),
            (IN_DOUBT, "texts_unsettled"),
            (row::BY_ID, "sqlite_autoindex_texts_1"),
            (row::BY_EVENT, "sqlite_autoindex_texts_2"),
            (claim::COUNTED, "texts_by_day"),
            (claim::TOO_OLD, "texts_by_age"),
            (change::IS_TAKEN, "texts_by_sid"),
            (change::TWIN, "texts_unsettled"),
        ] {
            let mut plan = connection
                .prepare(&format!("explain query plan {statement}"))
                .unwrap();
            let unknown = vec![None::<i64>; plan.parameter_count()];
            let steps: Vec<String> = plan
                .query_map(rusqlite::params_from_iter(unknown), |row| row.get(3))
                .unwrap()
                .collect::<rusqlite::Result<_>>()
                .unwrap();
            let steps = steps.join("; ");
            assert!(steps.contains(index), "{statement}: {steps}");
        }
    }
}

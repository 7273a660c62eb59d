//! Recording outcomes: the attempt is appended, the delivery leaves the hot table or is rescheduled.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::{ending::store_ending, endpoint_state, lane, statement::Statements, tx::Tx};
use crate::{
    attempt::Failure,
    clock::micros,
    model::outcome::{AttemptRecord, Backoff, Consequences, Verdict},
    outbox::Outbox,
    store::{completion::Completion, error::StoreError},
};

impl Completion {
    /// Writes the outcome and its consequences. Each change of the delivery is one statement
    /// guarded by the claim.
    pub(crate) fn store(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let connection = tx.connection;
        let (seq, key) = (self.row.event.seq, self.outbox.key());
        let number = match &self.attempt {
            Some(attempt) => attempt.store(connection, seq, key, self.row.number + 1)?,
            None => self.row.number,
        };
        let attempts = self.row.attempts + u32::from(self.attempt.is_some());
        // Puts it back to where it waits, with its due time.
        let redate = |in_lane: bool, due_at: i64| {
            connection.run(
                "update webhooks_delivery set claim = null, lane = ?4, due_at = ?5, attempts = ?6, number = ?7
                 where event_seq = ?1 and endpoint_key = ?2 and claim = ?3",
                params![seq, key, self.row.claim, in_lane, due_at, attempts, number],
            )
        };
        let changed = match &self.verdict {
            Verdict::Delivered | Verdict::End(_) => connection.run(
                "delete from webhooks_delivery where event_seq = ?1 and endpoint_key = ?2 and claim = ?3",
                params![seq, key, self.row.claim],
            )?,
            Verdict::Retry { due_at } => {
                tx.commit.due_by(*due_at);
                redate(false, *due_at)?
            }
            Verdict::Lane { due_at, backoff } => {
                let changed = redate(true, *due_at)?;
                // What was behind a removed head does not wait for the head's retry.
                let overtaken = changed == 0 && self.outbox.endpoint().ordered;
                let until = if overtaken {
                    // Nor does what memory returns to the lane after this.
                    let now = tx.now();
                    self.outbox.back_off_until(now);
                    now
                } else if self.attempt.is_none() {
                    // It was given back before the removal was known.
                    self.outbox.backoff_until().min(backoff.until)
                } else {
                    backoff.until
                };
                lane::back_off(tx, &self.outbox, Backoff { until, ..*backoff })?;
                changed
            }
        };
        if changed == 0 {
            tracing::info!(
                event.id = %self.row.event.id,
                endpoint.id = %self.outbox.endpoint().id,
                "the outcome of an attempt arrived after its delivery was removed"
            );
        } else if let Verdict::End(ending) = self.verdict {
            store_ending(connection, (seq, key), ending, tx.now())?;
        }
        tx.commit.follows.released += 1;
        if tx.host.audience.is_there() {
            let activity = self.activity(&tx.host.timeline, number);
            tx.commit.follows.activities.extend(activity);
        }
        self.consequences.store(tx, &self.outbox)?;
        if self.consequences.returning {
            tx.commit.follow(&self.outbox, self.outbox.returned());
        }
        Ok(())
    }
}

impl Consequences {
    fn store(&self, tx: &mut Tx<'_>, outbox: &Arc<Outbox>) -> Result<(), StoreError> {
        if self.failing_changed {
            // The current value: another outcome that changed it may have been stored before this one.
            tx.connection.run(
                "update webhooks_endpoint set failing_since = ?2 where key = ?1",
                params![outbox.key(), outbox.failing_since()],
            )?;
        }
        if let Some(backoff) = self.lane {
            lane::back_off(tx, outbox, backoff)?;
        }
        match &self.disabled {
            Some(disabling) => endpoint_state::disable(tx, outbox, &disabling.reason),
            None => Ok(()),
        }
    }
}

impl AttemptRecord {
    /// Stores it as `number`, or under the next free one: a delivery that was canceled in flight and
    /// sent again has two attempts in progress that count from the same number. Returns the number used.
    fn store(
        &self,
        connection: &Connection,
        seq: i64,
        key: i64,
        number: u32,
    ) -> Result<u32, StoreError> {
        if self.insert(connection, seq, key, number)? {
            return Ok(number);
        }
        let free: u32 = connection.read_row(
            "select max(number) + 1 from webhooks_attempt where event_seq = ?1 and endpoint_key = ?2",
            [seq, key],
            |row| row.get(0),
        )?;
        self.insert(connection, seq, key, free)?;
        Ok(free)
    }

    /// False if there already is an attempt with that number.
    fn insert(
        &self,
        connection: &Connection,
        seq: i64,
        key: i64,
        number: u32,
    ) -> Result<bool, StoreError> {
        let duration_us = micros(self.duration);
        let inserted = connection.run(
            "insert into webhooks_attempt
             (event_seq, endpoint_key, number, at, duration_us, status, failure, detail, headers, body)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             on conflict do nothing",
            params![
                seq,
                key,
                number,
                self.at,
                duration_us,
                self.status,
                self.failure.as_ref().map(Failure::code),
                self.detail(),
                self.headers,
                self.body_head,
            ],
        )?;
        Ok(inserted > 0)
    }
}

//! Recording outcomes: every attempt of a batch is appended, its delivery leaves the hot table or is
//! rescheduled, in a few statements over whole arrays.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use super::{
    attempts::Attempts,
    row::int,
    tx::Tx,
    witness::{Claims, Witness},
};
use crate::{
    delivery::EndReason,
    model::outcome::{Backoff, Verdict},
    outbox::Outbox,
    store::{completion::Completion, error::StoreError},
};

/// A delivery, by event and endpoint.
type Key = (i64, i64);

/// Deliveries that wait again, as columns.
#[derive(Default)]
struct Waiting {
    of: Claims,
    in_lane: Vec<bool>,
    due_at: Vec<i64>,
    attempts: Vec<i32>,
    numbers: Vec<i32>,
}

/// Logs an outcome whose delivery no longer existed.
pub(super) fn say_taken_away(completion: &Completion) {
    tracing::info!(
        event.id = %completion.row.event.id,
        endpoint.id = %completion.outbox.endpoint().id,
        "the outcome of an attempt arrived after its delivery was removed"
    );
}

impl Tx<'_> {
    /// Writes the outcomes of a batch and their consequences. Each change of a delivery is guarded by its
    /// claim.
    pub(super) async fn store_completions(
        &mut self,
        completions: &[Completion],
    ) -> Result<(), StoreError> {
        if completions.is_empty() {
            return Ok(());
        }
        let numbers = self.store_attempts(completions).await?;
        let changed = self.store_verdicts(completions, &numbers).await?;
        self.store_endings_of(completions, &changed).await?;
        self.store_lanes(completions, &changed).await?;
        for (completion, number) in completions.iter().zip(&numbers) {
            if !changed.contains(&claim_of(completion)) {
                say_taken_away(completion);
            }
            self.follow_completion(completion, *number);
        }
        self.store_failing(completions).await?;
        for completion in completions {
            if let Some(disabling) = &completion.consequences.disabled {
                self.disable(&completion.outbox, disabling).await?;
            }
        }
        // Last, so that if one of these statements fails, there is nothing to take back.
        for completion in completions {
            if completion.consequences.returning {
                let steps = completion.outbox.returned();
                self.commit.follow(&completion.outbox, steps);
            }
        }
        Ok(())
    }

    /// What follows from a written outcome, whose attempt has this number.
    pub(super) fn follow_completion(&mut self, completion: &Completion, number: u32) {
        if let Verdict::Retry { due_at } = completion.verdict {
            self.commit.due_by(due_at);
        }
        self.commit.follows.released += 1;
        if self.host.audience.is_there() {
            let activity = completion.activity(&self.host.timeline, number);
            self.commit.follows.activities.extend(activity);
        }
    }

    /// Returns the number of each attempt; for an outcome without one, that of the last attempt.
    async fn store_attempts(&mut self, completions: &[Completion]) -> Result<Vec<u32>, StoreError> {
        let mut attempts = Attempts::default();
        let places: Vec<Option<usize>> = completions
            .iter()
            .map(|completion| {
                let row = &completion.row;
                let key = (row.event.seq, completion.outbox.key());
                let attempt = completion.attempt.as_ref()?;
                Some(attempts.push(key, row.number + 1, attempt))
            })
            .collect();
        let numbers = attempts.write(self).await?;
        Ok(places
            .into_iter()
            .zip(completions)
            .map(|(place, completion)| place.map_or(completion.row.number, |at| numbers[at]))
            .collect())
    }

    /// Returns those that changed their delivery, by their claims.
    async fn store_verdicts(
        &mut self,
        completions: &[Completion],
        numbers: &[u32],
    ) -> Result<HashSet<i64>, StoreError> {
        let (mut done, mut waiting) = (Claims::default(), Waiting::default());
        for (completion, number) in completions.iter().zip(numbers) {
            let row = &completion.row;
            let (seq, key) = (row.event.seq, completion.outbox.key());
            let (in_lane, due_at) = match &completion.verdict {
                Verdict::Delivered | Verdict::End(_) => {
                    done.seqs.push(seq);
                    done.keys.push(key);
                    done.claims.push(row.claim);
                    continue;
                }
                Verdict::Retry { due_at } => (false, *due_at),
                Verdict::Lane { due_at, .. } => (true, *due_at),
            };
            waiting.of.seqs.push(seq);
            waiting.of.keys.push(key);
            waiting.of.claims.push(row.claim);
            waiting.in_lane.push(in_lane);
            if in_lane {
                self.lane_floors.forget(key);
            }
            waiting.due_at.push(due_at);
            let made = row.attempts + u32::from(completion.attempt.is_some());
            waiting.attempts.push(int(made));
            waiting.numbers.push(int(*number));
        }
        let mut changed = HashSet::with_capacity(completions.len());
        if !done.seqs.is_empty() {
            let gone: Vec<i64> = self
                .query(
                    // A join could read the whole table, if that was vacuumed while it was empty: see the tests'
                    // plans.rs. `is true` keeps the list from becoming a join.
                    "delete from webhooks.delivery d
                     where d.event_seq = any($1) and (d.claim in (select unnest($2::int8[]))) is true
                     returning d.claim",
                )
                .bind(&done.seqs)
                .bind(&done.claims)
                .read_values(self.connection)
                .await?;
            changed.extend(gone);
        }
        if !waiting.of.seqs.is_empty() {
            let dated: Vec<i64> = self
                .query(
                    "update webhooks.delivery d
                     set claim = null, lane = t.lane, due_at = t.due_at, attempts = t.attempts, number = t.number
                     from unnest($1::int8[], $2::int8[], $3::int8[], $4::bool[], $5::int8[], $6::int4[], $7::int4[])
                          as t(seq, key, claim, lane, due_at, attempts, number)
                     cross join lateral (
                         select x.ctid from webhooks.delivery x
                         where x.event_seq = t.seq and x.endpoint_key = t.key limit 1) found
                     where d.ctid = found.ctid and d.claim = t.claim
                     returning t.claim",
                )
                .bind(&waiting.of.seqs)
                .bind(&waiting.of.keys)
                .bind(&waiting.of.claims)
                .bind(&waiting.in_lane)
                .bind(&waiting.due_at)
                .bind(&waiting.attempts)
                .bind(&waiting.numbers)
                .read_values(self.connection)
                .await?;
            changed.extend(dated);
        }
        for of in [done, waiting.of] {
            if !of.seqs.is_empty() {
                self.leaves(Witness::Released(of));
            }
        }
        Ok(changed)
    }

    async fn store_endings_of(
        &mut self,
        completions: &[Completion],
        changed: &HashSet<i64>,
    ) -> Result<(), StoreError> {
        let mut ended: HashMap<EndReason, Vec<Key>> = HashMap::new();
        for completion in completions {
            if let Verdict::End(reason) = completion.verdict
                && changed.contains(&claim_of(completion))
            {
                let key = (completion.row.event.seq, completion.outbox.key());
                ended.entry(reason).or_default().push(key);
            }
        }
        for (reason, deliveries) in ended {
            let (seqs, keys): (Vec<i64>, Vec<i64>) = deliveries.into_iter().unzip();
            self.store_endings(&seqs, &keys, reason).await?;
        }
        Ok(())
    }

    /// Sets the due times of the lanes that the outcomes are about. If there are several for one endpoint, the last
    /// counts.
    async fn store_lanes(
        &mut self,
        completions: &[Completion],
        changed: &HashSet<i64>,
    ) -> Result<(), StoreError> {
        let mut lanes: BTreeMap<i64, (&Arc<Outbox>, Backoff)> = BTreeMap::new();
        for completion in completions {
            let outbox = &completion.outbox;
            if let Verdict::Lane { backoff, .. } = &completion.verdict {
                // What was behind a removed head does not wait for the head's retry.
                let overtaken =
                    !changed.contains(&claim_of(completion)) && outbox.endpoint().ordered;
                let until = if overtaken {
                    // Nor does what memory returns to the lane after this.
                    let now = self.now();
                    outbox.back_off_until(now);
                    now
                } else if completion.attempt.is_none() {
                    // It was given back before the removal was known.
                    outbox.backoff_until().min(backoff.until)
                } else {
                    backoff.until
                };
                lanes.insert(outbox.key(), (outbox, Backoff { until, ..*backoff }));
            }
            if let Some(backoff) = completion.consequences.lane {
                lanes.insert(outbox.key(), (outbox, backoff));
            }
        }
        self.back_off(&lanes).await
    }

    /// Stores since when endpoints have been failing, with the current value: another outcome that changed it
    /// may have been stored before.
    async fn store_failing(&mut self, completions: &[Completion]) -> Result<(), StoreError> {
        let failing: BTreeMap<i64, Option<i64>> = completions
            .iter()
            .filter(|completion| completion.consequences.failing_changed)
            .map(|completion| (completion.outbox.key(), completion.outbox.failing_since()))
            .collect();
        if failing.is_empty() {
            return Ok(());
        }
        let keys: Vec<i64> = failing.keys().copied().collect();
        let since: Vec<Option<i64>> = failing.values().copied().collect();
        self.query(
            "update webhooks.endpoint e
             set failing_since = t.since, succeeded_at = case when t.since is null then $3 else succeeded_at end
             from unnest($1::int8[], $2::int8[]) as t(key, since)
             cross join lateral (select x.ctid from webhooks.endpoint x where x.key = t.key limit 1) found
             where e.ctid = found.ctid",
        )
        .bind(&keys)
        .bind(&since)
        .bind(self.now())
        .execute(self.connection)
        .await?;
        Ok(())
    }
}

fn claim_of(completion: &Completion) -> i64 {
    completion.row.claim
}

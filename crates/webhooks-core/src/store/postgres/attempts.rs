//! Attempts and endings: appended, as whole arrays.

use std::collections::HashSet;

use super::{partition::day_of, row::int, session::Statement, tx::Tx};
use crate::{
    attempt::Failure, clock::micros, delivery::EndReason, model::outcome::AttemptRecord,
    store::error::StoreError,
};

/// Inserts attempts: those in the arrays of [`Attempts::bind_all`].
macro_rules! insert_attempts {
    (day $day:literal, from $($from:literal)?
     ($seqs:literal, $keys:literal, $numbers:literal, $at:literal, $durations:literal, $statuses:literal,
      $failures:literal, $details:literal, $headers:literal, $bodies:literal)) => {
        concat!(
            "insert into webhooks.attempt
             (event_seq, endpoint_key, number, day, at, duration_us, status, failure, detail, headers, body)
             select seq, key, number, ", $day, ", at, duration_us, status, failure, detail, headers, body
             from ", $($from, " cross join ",)?
            "unnest(", $seqs, "::int8[], ", $keys, "::int8[], ", $numbers, "::int4[], ", $at, "::int8[], ",
            $durations, "::int8[], ", $statuses, "::int4[], ", $failures, "::text[], ", $details, "::text[], ",
            $headers, "::text[], ", $bodies, "::bytea[])
                  as t(seq, key, number, at, duration_us, status, failure, detail, headers, body)"
        )
    };
}
pub(super) use insert_attempts;

/// Attempts, as columns.
#[derive(Default)]
pub(super) struct Attempts<'a> {
    seqs: Vec<i64>,
    keys: Vec<i64>,
    numbers: Vec<u32>,
    records: Vec<&'a AttemptRecord>,
}

impl<'a> Attempts<'a> {
    /// Returns its position, for the result of [`Attempts::write`].
    pub(super) fn push(
        &mut self,
        (seq, key): (i64, i64),
        number: u32,
        record: &'a AttemptRecord,
    ) -> usize {
        self.seqs.push(seq);
        self.keys.push(key);
        self.numbers.push(number);
        self.records.push(record);
        self.records.len() - 1
    }

    /// Stores each under its number, or under the next free one: a delivery that was canceled in flight and
    /// sent again has two attempts in progress that count from the same number. One that is stored already stays
    /// as it is: a commit whose answer was lost can take effect although its outcomes are written again. Returns the
    /// numbers used.
    pub(super) async fn write(mut self, tx: &mut Tx<'_>) -> Result<Vec<u32>, StoreError> {
        if self.records.is_empty() {
            return Ok(Vec::new());
        }
        let every: Vec<usize> = (0..self.records.len()).collect();
        let mut left = self.insert(tx, &every).await?;
        if !left.is_empty() {
            left = self.without_stored(tx, left).await?;
        }
        // There are at most two of one delivery, so this takes a few rounds at worst.
        while !left.is_empty() {
            for at in &left {
                let free = tx.next_number(self.seqs[*at], self.keys[*at]).await?;
                self.numbers[*at] = free;
            }
            left = self.insert(tx, &left).await?;
        }
        Ok(self.numbers)
    }

    /// Binds all of them: events, endpoints, numbers, times, durations, statuses, failures, details, headers,
    /// bodies.
    pub(super) fn bind_all(&self, statement: Statement) -> Statement {
        let every: Vec<usize> = (0..self.records.len()).collect();
        self.bind_to(statement, &every)
    }

    fn bind_to(&self, statement: Statement, places: &[usize]) -> Statement {
        let of = |at: &usize| self.records[*at];
        let seqs: Vec<i64> = places.iter().map(|at| self.seqs[*at]).collect();
        let keys: Vec<i64> = places.iter().map(|at| self.keys[*at]).collect();
        let numbers: Vec<i32> = places.iter().map(|at| int(self.numbers[*at])).collect();
        let at: Vec<i64> = places.iter().map(|at| of(at).at).collect();
        let durations: Vec<i64> = places.iter().map(|at| micros(of(at).duration)).collect();
        let statuses: Vec<Option<i32>> = places
            .iter()
            .map(|at| of(at).status.map(i32::from))
            .collect();
        let failures: Vec<Option<&str>> = places
            .iter()
            .map(|at| of(at).failure.as_ref().map(Failure::code))
            .collect();
        let details: Vec<_> = places.iter().map(|at| of(at).detail()).collect();
        let details: Vec<Option<&str>> = details.iter().map(Option::as_deref).collect();
        let headers: Vec<&str> = places.iter().map(|at| of(at).headers.as_str()).collect();
        let bodies: Vec<&[u8]> = places.iter().map(|at| &of(at).body_head[..]).collect();
        statement
            .bind(&seqs)
            .bind(&keys)
            .bind(&numbers)
            .bind(&at)
            .bind(&durations)
            .bind(&statuses)
            .bind(&failures)
            .bind(&details)
            .bind(&headers)
            .bind(&bodies)
    }

    /// Inserts those at these positions. Returns those whose number is taken.
    async fn insert(&self, tx: &mut Tx<'_>, places: &[usize]) -> Result<Vec<usize>, StoreError> {
        let statement = tx.query(concat!(
            insert_attempts!(
                day "$11",
                from("$1", "$2", "$3", "$4", "$5", "$6", "$7", "$8", "$9", "$10")
            ),
            " on conflict do nothing
             returning event_seq, endpoint_key, number"
        ));
        let inserted: Vec<(i64, i64, i32)> = self
            .bind_to(statement, places)
            .bind(day_of(tx.now()))
            .read_rows(tx.connection)
            .await?;
        if inserted.len() == places.len() {
            return Ok(Vec::new());
        }
        let mut inserted: HashSet<_> = inserted.into_iter().collect();
        // Of two with the same number, the first was inserted.
        let key = |at: usize| (self.seqs[at], self.keys[at], int(self.numbers[at]));
        let left = places.iter().copied();
        Ok(left.filter(|at| !inserted.remove(&key(*at))).collect())
    }

    /// Leaves out those at these positions that are stored, and notes their numbers. Two attempts of one delivery
    /// differ in when they began or how long they took.
    async fn without_stored(
        &mut self,
        tx: &mut Tx<'_>,
        places: Vec<usize>,
    ) -> Result<Vec<usize>, StoreError> {
        let mut left = Vec::new();
        for at in places {
            let record = self.records[at];
            let number: Option<i32> = tx
                .query(
                    "select number from webhooks.attempt
                     where event_seq = $1 and endpoint_key = $2 and at = $3 and duration_us = $4 limit 1",
                )
                .bind(self.seqs[at])
                .bind(self.keys[at])
                .bind(record.at)
                .bind(micros(record.duration))
                .find_value(tx.connection)
                .await?;
            match number {
                Some(number) => self.numbers[at] = number.unsigned_abs(),
                None => left.push(at),
            }
        }
        Ok(left)
    }
}

impl Tx<'_> {
    /// The next number that no attempt of a delivery has.
    async fn next_number(&mut self, seq: i64, key: i64) -> Result<u32, StoreError> {
        let free: i32 = self
            .query(
                "select coalesce(max(number), 0) + 1 from webhooks.attempt where event_seq = $1 and endpoint_key = $2",
            )
            .bind(seq)
            .bind(key)
            .read_value(self.connection)
            .await?;
        Ok(free.unsigned_abs())
    }

    /// Records why deliveries are no longer tried.
    pub(super) async fn store_endings(
        &mut self,
        seqs: &[i64],
        keys: &[i64],
        ending: EndReason,
    ) -> Result<(), StoreError> {
        let now = self.now();
        self.query(
            "insert into webhooks.ending (event_seq, endpoint_key, day, reason, at)
             select seq, key, $4, $3, $5 from unnest($1::int8[], $2::int8[]) as t(seq, key)
             on conflict (event_seq, endpoint_key, day) do update set reason = excluded.reason, at = excluded.at",
        )
        .bind(seqs)
        .bind(keys)
        .bind(ending.as_str())
        .bind(day_of(now))
        .bind(now)
        .execute(self.connection)
        .await?;
        Ok(())
    }
}

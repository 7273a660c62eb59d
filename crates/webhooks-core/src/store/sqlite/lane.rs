//! Lanes, and moving deliveries between them and memory: refills, expiry, recovery.
//!
//! Everything here runs on the writer thread, so a lane cannot gain a row between the moment it
//! is found empty and the moment its endpoint leaves it.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::{ending::store_ending, row::FoundRow, statement::Statements, tx::Tx};
use crate::{
    activity::ActivityKind,
    delivery::EndReason,
    model::{
        delivery::{ClaimedDelivery, StoredEvent},
        outcome::Backoff,
    },
    outbox::Outbox,
    store::{
        committed::HandOver,
        due::{EXPIRE_ROWS, tell_expired},
        error::StoreError,
    },
};

/// Adds a row to a lane: makes sure that the lane exists, and is tried no later than its backoff
/// allows. `wake` is the due time for a lane that nothing in memory would come back to.
pub(crate) fn join(
    tx: &mut Tx<'_>,
    outbox: &Arc<Outbox>,
    wake: Option<i64>,
) -> Result<(), StoreError> {
    let now = tx.now();
    let changed = tx.connection.run(
        "insert into webhooks_lane (endpoint_key, due_at, backoff_until, failures) values (?1, ?2, 0, 0)
         on conflict (endpoint_key) do update set due_at = max(backoff_until, ?3)
         where (due_at is null and ?2 is not null) or due_at > max(backoff_until, ?3)",
        params![outbox.key(), wake, now],
    )?;
    if wake.is_some() {
        tx.commit.follow(outbox, outbox.wake());
    }
    // A lane in trouble may have been waiting for the retry of another delivery, hours away.
    let sooner = changed > 0 && outbox.is_in_trouble();
    if let Some(at) = wake.or_else(|| sooner.then(|| outbox.backoff_until().max(now))) {
        tx.commit.due_by(at);
    }
    Ok(())
}

/// Makes a lane due again that waits for something in memory, or was set aside because its endpoint
/// could not be read.
pub(super) fn try_again(tx: &mut Tx<'_>, key: i64) -> Result<(), StoreError> {
    let now = tx.now();
    tx.connection.run(
        "update webhooks_lane set due_at = max(backoff_until, ?2)
         where endpoint_key = ?1 and due_at is null",
        [key, now],
    )?;
    tx.commit.due_by(now);
    Ok(())
}

/// Sets a lane's due time after a failure: not before its backoff ends, nor before anything in it is due.
pub(crate) fn back_off(
    tx: &mut Tx<'_>,
    outbox: &Outbox,
    backoff: Backoff,
) -> Result<(), StoreError> {
    let (connection, key) = (tx.connection, outbox.key());
    let first_due = first_due(connection, key)?;
    // An empty lane gets a due time too: when it is tried it is found empty, and its endpoint leaves it.
    let due_at = outbox
        .is_active()
        .then(|| first_due.unwrap_or(backoff.until).max(backoff.until));
    connection.run(
        "insert into webhooks_lane (endpoint_key, due_at, backoff_until, failures) values (?1, ?2, ?3, ?4)
         on conflict (endpoint_key) do update
         set due_at = excluded.due_at, backoff_until = excluded.backoff_until, failures = excluded.failures",
        params![key, due_at, backoff.until, backoff.failures],
    )?;
    if let Some(at) = due_at {
        tx.commit.due_by(at);
    }
    Ok(())
}

/// Marks a row as held by memory and hands it over after the commit. `retreats`: the outbox's count when
/// the row was placed or loaded.
pub(super) fn claim(
    tx: &mut Tx<'_>,
    outbox: &Arc<Outbox>,
    (row, event): (&FoundRow, StoredEvent),
    retreats: u64,
) -> Result<(), StoreError> {
    let claim = tx.commit.claim();
    let marked = tx.connection.run(
        "update webhooks_delivery set claim = ?3 where event_seq = ?1 and endpoint_key = ?2",
        params![event.seq, outbox.key(), claim],
    );
    let row = ClaimedDelivery {
        event: Arc::new(event),
        claim,
        attempts: row.attempts,
        number: row.number,
    };
    let handover = HandOver {
        outbox: Arc::clone(outbox),
        row,
        retreats,
    };
    tx.commit.hand_over_if(handover, &marked);
    marked?;
    Ok(())
}

/// Removes an unclaimed row and records why.
pub(super) fn end(
    tx: &mut Tx<'_>,
    (seq, key): (i64, i64),
    ending: EndReason,
) -> Result<(), StoreError> {
    tx.connection.run(
        "delete from webhooks_delivery where event_seq = ?1 and endpoint_key = ?2",
        [seq, key],
    )?;
    store_ending(tx.connection, (seq, key), ending, tx.now())?;
    Ok(())
}

/// Why a lane is loaded from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    /// Its time has come.
    Due,
    /// Memory asked for more.
    Asked,
}

/// Loads the next rows of a lane into memory, or finds that the lane is at its end.
pub(super) fn refill(
    tx: &mut Tx<'_>,
    outbox: &Arc<Outbox>,
    occasion: Occasion,
) -> Result<(), StoreError> {
    let refilled = load_rows(tx, outbox, occasion);
    // Whatever the result, another load may be requested.
    outbox.refill_ended();
    refilled
}

fn load_rows(tx: &mut Tx<'_>, outbox: &Arc<Outbox>, occasion: Occasion) -> Result<(), StoreError> {
    let now = tx.now();
    let key = outbox.key();
    let Some(plan) = outbox.plan_refill() else {
        // A person resumes it, or what is on its way back to the lane sets its due time.
        return set_due(tx, key, None);
    };
    if plan.trouble && occasion == Occasion::Asked {
        // It has failed since the load was requested: the outcome says when the lane is tried.
        return Ok(());
    }
    tx.commit.touched.push(Arc::clone(outbox));
    if plan.trouble && expire(tx, outbox, now)? {
        // There may be more to expire before anything is worth a request.
        set_due(tx, key, Some(now))?;
        tx.commit.due_by(now);
        return Ok(());
    }
    let due_before = if plan.trouble { now } else { i64::MAX };
    // Uses the index delivery_lane, whose order is the commit order for ordered endpoints.
    let rows: Vec<FoundRow> = tx.connection.read_rows(
        "select d.event_seq, d.endpoint_key, d.attempts, d.number, e.id, e.body, e.traceparent
         from webhooks_delivery d left join webhooks_event e on e.seq = d.event_seq
         where d.endpoint_key = ?1 and d.claim is null and d.lane = 1 and d.due_at <= ?2
         order by d.due_at, d.event_seq limit ?3",
        params![
            key,
            due_before,
            i64::try_from(plan.rows).unwrap_or(i64::MAX)
        ],
        FoundRow::read,
    )?;
    let found = rows.len();
    let mut claimed = 0;
    for mut row in rows {
        let Some(event) = row.event.take() else {
            end(tx, (row.seq, key), EndReason::Expired)?;
            continue;
        };
        claimed += 1;
        outbox.expect(event.body.len());
        claim(tx, outbox, (&row, event), plan.retreats)?;
    }
    if plan.trouble && found == 0 {
        return wait_or_leave(tx, outbox);
    }
    if !plan.trouble && found < plan.rows {
        // Everything that is pending is now in memory.
        return leave(tx, outbox);
    }
    if claimed == 0 {
        // There were only rows whose events are gone: look again for others.
        tx.commit.due_by(now);
        return set_due(tx, key, Some(now));
    }
    set_due(tx, key, None)
}

/// When the first row of a lane is due.
fn first_due(connection: &Connection, key: i64) -> Result<Option<i64>, StoreError> {
    connection.read_row(
        "select min(due_at) from webhooks_delivery where endpoint_key = ?1 and claim is null and lane = 1",
        [key],
        |row| row.get(0),
    )
}

/// For a lane in trouble with nothing due: wait for its next row, or leave it if there is none.
fn wait_or_leave(tx: &mut Tx<'_>, outbox: &Arc<Outbox>) -> Result<(), StoreError> {
    let key = outbox.key();
    match first_due(tx.connection, key)? {
        Some(first) => {
            let due_at = first.max(outbox.backoff_until());
            set_due(tx, key, Some(due_at))?;
            tx.commit.due_by(due_at);
            Ok(())
        }
        None => leave(tx, outbox),
    }
}

fn leave(tx: &mut Tx<'_>, outbox: &Arc<Outbox>) -> Result<(), StoreError> {
    let Some(recovered) = outbox.leave_lane() else {
        // What failed since then sets the lane's due time when its outcome is stored.
        return set_due(tx, outbox.key(), None);
    };
    tx.connection.run(
        "delete from webhooks_lane where endpoint_key = ?1",
        [outbox.key()],
    )?;
    if recovered && tx.host.audience.is_there() {
        tx.commit.follows.activities.push(
            outbox
                .endpoint()
                .activity(None, ActivityKind::EndpointRecovered),
        );
    }
    Ok(())
}

/// Leaves a lane untried until somebody gives it a time; makes it if it is not there.
pub(super) fn leave_untried(connection: &Connection, key: i64) -> Result<(), StoreError> {
    connection.run(
        "insert into webhooks_lane (endpoint_key, due_at, backoff_until, failures) values (?1, null, 0, 0)
         on conflict (endpoint_key) do update set due_at = null",
        [key],
    )?;
    Ok(())
}

pub(super) fn set_due(tx: &Tx<'_>, key: i64, due_at: Option<i64>) -> Result<(), StoreError> {
    tx.connection.run(
        "update webhooks_lane set due_at = ?2 where endpoint_key = ?1",
        params![key, due_at],
    )?;
    Ok(())
}

/// Ends the deliveries of a lane that have waited longer than their schedule lasts and were tried at least
/// once; if the engine was down for long, tried since it is back. True if there may be more of them.
fn expire(tx: &mut Tx<'_>, outbox: &Arc<Outbox>, now: i64) -> Result<bool, StoreError> {
    let key = outbox.key();
    let uptime = &tx.host.uptime;
    let oldest = uptime.began(now, outbox.endpoint().expires_after_ms());
    // What a pause held back has waited, but not because the endpoint failed all that time.
    if outbox.failing_since().is_none_or(|since| since > oldest) {
        return Ok(false);
    }
    // Rows of a lane are roughly in the order of their age, so the first few show whether to look further.
    // A row that was not tried is the next to be: nothing behind it is given up before.
    let back_since = uptime.back_since().unwrap_or(i64::MIN);
    let rows: Vec<(i64, bool)> = tx.connection.read_rows_while(
        "select event_seq, owed_at < ?2 and attempts > 0 and (?3 < owed_at or exists (
             select 1 from webhooks_attempt a
             where a.event_seq = d.event_seq and a.endpoint_key = ?1 and a.at >= ?3))
         from webhooks_delivery d
         where endpoint_key = ?1 and claim is null and lane = 1
         order by due_at, event_seq limit ?4",
        params![key, oldest, back_since, EXPIRE_ROWS],
        |row| Ok((row.get(0)?, row.get(1)?)),
        |(_, is_over)| *is_over,
    )?;
    let expired = rows.len();
    for (seq, _) in rows {
        end(tx, (seq, key), EndReason::Expired)?;
    }
    Ok(tell_expired(outbox, expired))
}

/// Takes over what the previous process held: nothing is in flight any more.
pub(crate) fn recover(connection: &Connection, now: i64) -> rusqlite::Result<usize> {
    // This reads only the hot table, which does not contain finished work.
    connection.execute(
        "insert into webhooks_lane (endpoint_key, due_at, backoff_until, failures)
         select distinct endpoint_key, ?1, 0, 0 from webhooks_delivery where claim is not null and lane = 1
         on conflict (endpoint_key) do nothing",
        [now],
    )?;
    let held = connection.execute(
        "update webhooks_delivery set claim = null, due_at = min(due_at, ?1) where claim is not null",
        [now],
    )?;
    connection.execute(
        "update webhooks_lane set due_at = max(backoff_until, ?1)
         where due_at is null
           and endpoint_key in (select key from webhooks_endpoint where state = 'active')",
        [now],
    )?;
    Ok(held)
}

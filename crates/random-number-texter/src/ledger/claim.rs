//! The guard against texting twice, and the daily limit: one transaction decides whether a text
//! may be sent.

use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior, params};

use super::{Ledger, LedgerError, row};
use crate::{
    text::{Doubt, State, Text},
    times,
};

/// A sender's retries end within four days; a copy that comes later than this is texted again.
const KEPT_FOR_MS: i64 = 30 * 24 * 60 * 60 * 1000;
/// About 40 MB. Above it the oldest are deleted, beginning with those that were never sent.
const KEPT_MAX: i64 = 100_000;
/// Maximum number of rows that one claim deletes, so that it stays short.
const DELETED_AT_ONCE: i64 = 100;

/// Texts that count toward a day's limit; uses the index `texts_by_day`.
pub(super) const COUNTED: &str = "select count(*) from texts where counted_on = ?1";
/// Deletes texts from before a time, using the index `texts_by_age`; never those that count
/// toward a day or are not settled.
pub(super) const TOO_OLD: &str = "delete from texts where text_id in (select text_id from texts \
     where received_at_ms < ?1 and state not in ('claimed', 'in_doubt') \
     and counted_on is not ?2 order by received_at_ms limit ?3)";
/// Deletes the oldest texts, beginning with those that were never sent. It sorts the whole table,
/// but only once for as many new texts as it deletes.
const TOO_MANY: &str = "delete from texts where text_id in (select text_id from texts \
     where state not in ('claimed', 'in_doubt') and counted_on is not ?1 \
     order by state = 'released' desc, received_at_ms limit ?2)";

/// A text to make.
#[derive(Debug, Clone)]
pub(crate) struct NewText {
    /// Its id, in case it is new.
    pub(crate) id: String,
    pub(crate) event_id: Option<String>,
    pub(crate) body: String,
}

/// What the ledger says about a text that should be sent.
#[derive(Debug)]
pub(crate) enum Claim {
    /// It is ours to send, once, and counts toward the day's limit.
    Granted(Text),
    /// Twilio may have it from an earlier request.
    InDoubt(Text, Doubt),
    /// It was sent or refused.
    Settled(Text),
    /// The day's limit is reached.
    LimitReached(Option<Text>),
}

impl Ledger {
    /// Claims a text for sending at `now`, if fewer than `limit` count toward this day.
    ///
    /// No two callers may claim the same event at once: a text that is already claimed is taken
    /// to be one whose outcome could not be stored.
    pub(crate) async fn claim(
        &self,
        new: NewText,
        now: Timestamp,
        limit: u32,
    ) -> Result<Claim, LedgerError> {
        self.call(move |connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let claim = claim(&transaction, &new, now, limit)?;
            transaction.commit()?;
            Ok(claim)
        })
        .await
    }
}

fn claim(
    connection: &Connection,
    new: &NewText,
    now: Timestamp,
    limit: u32,
) -> rusqlite::Result<Claim> {
    let known = match &new.event_id {
        Some(event_id) => row::by_event(connection, event_id)?,
        None => None,
    };
    let day = times::day(now);
    let is_free = counted(connection, &day)? < limit;
    let id = match known {
        None => {
            make_room(connection, now, &day)?;
            // Without an id nobody can ask for it or send it again.
            if is_free || new.event_id.is_some() {
                insert(connection, new, now)?;
            }
            new.id.clone()
        }
        Some(text) => match (text.state, text.doubt) {
            (State::Released, _) => text.id,
            (State::Claimed | State::InDoubt, doubt) => {
                return Ok(Claim::InDoubt(text, doubt.unwrap_or(Doubt::Silent)));
            }
            _ => return Ok(Claim::Settled(text)),
        },
    };
    if !is_free {
        return limit_reached(connection, &id, now);
    }
    connection
        .prepare_cached(
            "update texts set state = 'claimed', posted_at_ms = ?2, counted_on = ?3, \
             error_code = null, error_message = null, updated_at_ms = ?2 \
             where text_id = ?1 and state = 'released'",
        )?
        .execute(params![id, now.as_millisecond(), day])?;
    row::by_id(connection, &id)?
        .map(Claim::Granted)
        .ok_or(rusqlite::Error::QueryReturnedNoRows)
}

fn insert(connection: &Connection, new: &NewText, now: Timestamp) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "insert into texts (text_id, event_id, body, state, rank, received_at_ms, \
             updated_at_ms) values (?1, ?2, ?3, 'released', 0, ?4, ?4)",
        )?
        .execute(params![
            new.id,
            new.event_id,
            new.body,
            now.as_millisecond()
        ])?;
    Ok(())
}

fn limit_reached(connection: &Connection, id: &str, now: Timestamp) -> rusqlite::Result<Claim> {
    connection
        .prepare_cached(
            "update texts set error_code = null, updated_at_ms = ?2, error_message = \
             'the daily limit of texts is reached; sending continues the next day (UTC)' \
             where text_id = ?1 and state = 'released'",
        )?
        .execute(params![id, now.as_millisecond()])?;
    row::by_id(connection, id).map(Claim::LimitReached)
}

/// How many texts count toward `day`'s limit.
pub(super) fn counted(connection: &Connection, day: &str) -> rusqlite::Result<u32> {
    connection
        .prepare_cached(COUNTED)?
        .query_row([day], |row| row.get(0))
}

/// Deletes texts that are too old, and the oldest if there are too many.
fn make_room(connection: &Connection, now: Timestamp, day: &str) -> rusqlite::Result<()> {
    let since_ms = now.as_millisecond() - KEPT_FOR_MS;
    connection
        .prepare_cached(TOO_OLD)?
        .execute(params![since_ms, day, DELETED_AT_ONCE])?;
    let rows: i64 = connection
        .prepare_cached("select count(*) from texts")?
        .query_row([], |row| row.get(0))?;
    if rows >= KEPT_MAX {
        connection
            .prepare_cached(TOO_MANY)?
            .execute(params![day, DELETED_AT_ONCE])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{super::SCHEMA, *};

    const AT: &str = "2015-09-28T16:30:00Z";

    fn new(event_id: &str) -> NewText {
        NewText {
            id: format!("text of {event_id}"),
            event_id: Some(event_id.to_owned()),
            body: "x".to_owned(),
        }
    }

    /// A ledger with `rows` texts that came on the day before, one millisecond after another.
    fn filled(rows: i64, state: &str) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        let fill = "with recursive n (i) as (select 1 union all select i + 1 from n where i < ?1) \
             insert into texts (text_id, event_id, body, state, rank, received_at_ms, \
             updated_at_ms) select 'old ' || i, 'old ' || i, 'x', ?2, 0, ?3 + i, 0 from n";
        let now: Timestamp = AT.parse().unwrap();
        connection
            .execute(
                fill,
                params![rows, state, now.as_millisecond() - 86_400_000],
            )
            .unwrap();
        connection
    }

    #[test]
    fn the_oldest_make_room_and_the_unsent_go_first() {
        let now: Timestamp = AT.parse().unwrap();
        let connection = filled(KEPT_MAX, "sent");
        connection
            .execute(
                "update texts set state = 'released' where text_id in ('old 500', 'old 7000')",
                [],
            )
            .unwrap();
        claim(&connection, &new("a"), now, 1).unwrap();
        let rows: i64 = connection
            .query_row("select count(*) from texts", [], |row| row.get(0))
            .unwrap();
        assert_eq!(rows, KEPT_MAX - DELETED_AT_ONCE + 1);
        let is_there = |id: &str| row::by_id(&connection, id).unwrap().is_some();
        assert!(!is_there("old 500") && !is_there("old 7000"));
        assert!(!is_there("old 1") && is_there("old 200"));
        assert!(is_there("text of a"));
    }

    #[test]
    fn what_is_in_doubt_is_never_forgotten() {
        let now: Timestamp = AT.parse().unwrap();
        let connection = filled(KEPT_MAX, "in_doubt");
        claim(&connection, &new("a"), now, 1).unwrap();
        assert!(row::by_id(&connection, "old 1").unwrap().is_some());
    }
}

//! Changes of a text's state: each is one statement, fenced by the state it starts from.

use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior, params};

use super::{Ledger, LedgerError, row};
use crate::text::{Doubt, Reason, State, Text};

/// Whether a SID belongs to another text; uses the index `texts_by_sid`.
pub(super) const IS_TAKEN: &str = "select 1 from texts where sid = ?1 and text_id <> ?2";
/// Another text that says the same and is being given to Twilio; uses the index `texts_unsettled`.
pub(super) const TWIN: &str = "select 1 from texts where rank = 0 and state = 'claimed' \
     and body = ?1 and text_id <> ?2";

/// The change that puts a text in doubt; the doubt is part of the statement, so that all changes
/// have the same parameters.
macro_rules! doubted {
    ($doubt:literal) => {
        concat!(
            "update texts set state = 'in_doubt', doubt = '",
            $doubt,
            "', error_code = ?2, error_message = ?3, updated_at_ms = ?4 \
             where text_id = ?1 and state = 'claimed'"
        )
    };
}

/// What a look-up says about a text in doubt.
#[derive(Debug)]
pub(crate) enum Adoption {
    /// It is one of those listed.
    Adopted(Text),
    /// It is none of them.
    NotListed,
    /// Another text that says the same is being sent; the listed one may be that one.
    Unclear,
}

impl Ledger {
    /// Twilio certainly did not accept the text: it no longer counts, and may be tried again. A text
    /// without an event id is never tried again, and counts as failed.
    pub(crate) async fn release(
        &self,
        id: &str,
        reason: Option<Reason>,
        now: Timestamp,
    ) -> Result<Option<Text>, LedgerError> {
        self.change(
            id,
            "update texts set \
             state = case when event_id is null then 'failed' else 'released' end, \
             rank = case when event_id is null then 4 else 0 end, \
             error_code = ?2, error_message = ?3, doubt = null, counted_on = null, \
             updated_at_ms = ?4 \
             where text_id = ?1 and state in ('claimed', 'in_doubt')",
            reason,
            now,
        )
        .await
    }

    /// Twilio will never accept the text.
    pub(crate) async fn refuse(
        &self,
        id: &str,
        reason: Reason,
        now: Timestamp,
    ) -> Result<Option<Text>, LedgerError> {
        self.change(
            id,
            "update texts set state = 'refused', rank = 4, error_code = ?2, error_message = ?3, \
             doubt = null, counted_on = null, updated_at_ms = ?4 \
             where text_id = ?1 and state = 'claimed'",
            Some(reason),
            now,
        )
        .await
    }

    /// It is not known whether Twilio accepted the text.
    pub(crate) async fn doubt(
        &self,
        id: &str,
        doubt: Doubt,
        reason: Reason,
        now: Timestamp,
    ) -> Result<Option<Text>, LedgerError> {
        let statement = match doubt {
            Doubt::Answered => doubted!("answered"),
            Doubt::BrokenOff => doubted!("broken_off"),
            Doubt::Silent => doubted!("silent"),
        };
        self.change(id, statement, Some(reason), now).await
    }

    /// Runs one guarded statement with the parameters id, code, words and time; `None` if its
    /// guard did not let it through.
    async fn change(
        &self,
        id: &str,
        statement: &'static str,
        reason: Option<Reason>,
        now: Timestamp,
    ) -> Result<Option<Text>, LedgerError> {
        let id = id.to_owned();
        self.call(move |connection| {
            let (code, words) = match reason {
                Some(reason) => (reason.code, Some(reason.words)),
                None => (None, None),
            };
            let changed = connection.prepare_cached(statement)?.execute(params![
                id,
                code,
                words,
                now.as_millisecond()
            ])?;
            if changed == 0 {
                return Ok(None);
            }
            row::by_id(connection, &id)
        })
        .await
    }

    /// Twilio has the text as `sid`, and it has reached `state`. `None` if it was already further,
    /// if Twilio has it under another SID, or if there is no such text.
    pub(crate) async fn advance(
        &self,
        id: &str,
        sid: &str,
        state: State,
        reason: Option<Reason>,
        now: Timestamp,
    ) -> Result<Option<Text>, LedgerError> {
        let (id, sid) = (id.to_owned(), sid.to_owned());
        self.call(move |connection| advance(connection, &id, &sid, state, reason.as_ref(), now))
            .await
    }

    /// Looks for the text among those that Twilio listed: one that says the same and belongs to no
    /// other event is taken to be it.
    pub(crate) async fn adopt(
        &self,
        text: &Text,
        listed: Vec<(String, State, Option<Reason>)>,
        now: Timestamp,
    ) -> Result<Adoption, LedgerError> {
        let (id, body) = (text.id.clone(), text.body.clone());
        self.call(move |connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let adoption = adopt(&transaction, &id, &body, &listed, now)?;
            transaction.commit()?;
            Ok(adoption)
        })
        .await
    }

    /// The text named `id`.
    pub(crate) async fn named(&self, id: &str) -> Result<Option<Text>, LedgerError> {
        let id = id.to_owned();
        self.call(move |connection| row::by_id(connection, &id))
            .await
    }
}

fn advance(
    connection: &Connection,
    id: &str,
    sid: &str,
    state: State,
    reason: Option<&Reason>,
    now: Timestamp,
) -> rusqlite::Result<Option<Text>> {
    let changed = connection
        .prepare_cached(
            "update texts set sid = ?2, state = ?3, rank = ?4, error_code = ?5, \
             error_message = ?6, doubt = null, updated_at_ms = ?7 \
             where text_id = ?1 and rank < ?4 and (sid is null or sid = ?2)",
        )?
        .execute(params![
            id,
            sid,
            state.name(),
            state.rank(),
            reason.and_then(|reason| reason.code),
            reason.map(|reason| &reason.words),
            now.as_millisecond()
        ])?;
    if changed == 0 {
        return Ok(None);
    }
    row::by_id(connection, id)
}

fn adopt(
    connection: &Connection,
    id: &str,
    body: &str,
    listed: &[(String, State, Option<Reason>)],
    now: Timestamp,
) -> rusqlite::Result<Adoption> {
    for (sid, state, reason) in listed {
        let is_taken = connection
            .prepare_cached(IS_TAKEN)?
            .exists(params![sid, id])?;
        if is_taken {
            continue;
        }
        if connection.prepare_cached(TWIN)?.exists(params![body, id])? {
            return Ok(Adoption::Unclear);
        }
        // A status callback may have been quicker and reported more.
        let advanced = match advance(connection, id, sid, *state, reason.as_ref(), now)? {
            Some(text) => Some(text),
            None => row::by_id(connection, id)?.filter(|text| text.sid.is_some()),
        };
        return Ok(advanced.map_or(Adoption::Unclear, Adoption::Adopted));
    }
    Ok(Adoption::NotListed)
}

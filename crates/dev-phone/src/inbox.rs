//! The texts that the phone holds, newest last, and the stream of changes. Bounded: when it is
//! full, each new text displaces the oldest.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use tokio::sync::broadcast;

use crate::{
    exchange::Exchange,
    keep::KeepFile,
    message::{Message, MessageSid, Status},
    switches::{DeliveryError, Switches},
};

/// Maximum number of texts: some days of a developer's work, about 2 MB if all are of maximum length.
pub const TEXTS_KEPT: usize = 1000;

/// Maximum number of exchanges: as many as a person reads on a page.
pub(crate) const EXCHANGES_KEPT: usize = 50;

/// How many changes a slow page may lag behind before it is told to read everything again.
const CHANGES_BUFFERED: usize = 256;

/// A change of something that a page shows.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Message(Arc<Message>),
    Gone(MessageSid),
    Exchange(Arc<Exchange>),
    Switches(Switches),
}

/// The texts and exchanges of the phone.
#[derive(Debug)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    changes: broadcast::Sender<Change>,
}

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<Message>,
    next_serial: u64,
    exchanges: VecDeque<Exchange>,
    keep: Option<KeepFile>,
}

impl Inbox {
    /// An inbox with these texts, oldest first; later changes are written to `keep`.
    pub(crate) fn new(messages: Vec<Message>, keep: Option<KeepFile>) -> Self {
        let next_serial = messages.last().map_or(1, |message| message.serial + 1);
        Self {
            state: Mutex::new(State {
                messages: messages.into(),
                next_serial,
                exchanges: VecDeque::new(),
                keep,
            }),
            changes: broadcast::channel(CHANGES_BUFFERED).0,
        }
    }

    /// Never held across an await; the file is written under it so that its lines are in order.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// Notifies every open page; there may be none.
    pub(crate) fn announce(&self, change: Change) {
        let _ = self.changes.send(change);
    }

    /// Adds a text and gives it its place.
    pub(crate) fn insert(&self, mut message: Message) -> Message {
        let mut state = self.state();
        message.serial = state.next_serial;
        state.next_serial += 1;
        state.messages.push_back(message.clone());
        let fallen = if state.messages.len() > TEXTS_KEPT {
            state.messages.pop_front()
        } else {
            None
        };
        state.write(|keep| keep.put(&message));
        // Announced under the lock, so that pages see the changes of a text in their order.
        if let Some(fallen) = fallen {
            self.announce(Change::Gone(fallen.sid));
        }
        self.announce(Change::Message(Arc::new(message.clone())));
        message
    }

    pub(crate) fn get(&self, sid: &str) -> Option<Message> {
        let state = self.state();
        state.messages.iter().rev().find(|m| m.sid == *sid).cloned()
    }

    /// Every text, oldest first.
    pub(crate) fn messages(&self) -> Vec<Message> {
        self.state().messages.iter().cloned().collect()
    }

    /// Changes a text if `change` returns true; `None` if there is no such text, `Err` with the
    /// unchanged text if `change` returns false.
    pub(crate) fn update(
        &self,
        sid: &str,
        at: Timestamp,
        change: impl FnOnce(&mut Message) -> bool,
    ) -> Option<Result<Message, Message>> {
        let mut state = self.state();
        let message = state.messages.iter_mut().rev().find(|m| m.sid == *sid)?;
        if !change(message) {
            return Some(Err(message.clone()));
        }
        message.updated_at = at;
        let message = message.clone();
        state.write(|keep| keep.put(&message));
        self.announce(Change::Message(Arc::new(message.clone())));
        Some(Ok(message))
    }

    /// Empties a text's body if the text's status is final; the results are those of
    /// [`update`](Self::update).
    pub(crate) fn redact(&self, sid: &str, at: Timestamp) -> Option<Result<Message, Message>> {
        let redacted = self.update(sid, at, |message| {
            let ended = message.status.is_final();
            if ended {
                message.body.clear();
            }
            ended
        })?;
        self.state().rewrite();
        Some(redacted)
    }

    /// Moves a text from one state to the next; `None` if it is gone or has changed meanwhile.
    pub(crate) fn advance(
        &self,
        sid: &MessageSid,
        from: Status,
        to: Status,
        error: Option<DeliveryError>,
        sender: &str,
        at: Timestamp,
    ) -> Option<Message> {
        self.update(sid.as_str(), at, |message| {
            if message.status != from {
                return false;
            }
            message.status = to;
            message.error = error;
            // A messaging service chooses the sender when it queues the text.
            message.from.get_or_insert_with(|| sender.to_owned());
            if to == Status::Sent {
                message.sent_at = Some(at);
            }
            true
        })?
        .ok()
    }

    /// Removes a text if `allowed` returns true; the results are those of [`update`](Self::update).
    pub(crate) fn remove(
        &self,
        sid: &str,
        allowed: impl FnOnce(&Message) -> bool,
    ) -> Option<Result<(), Message>> {
        let mut state = self.state();
        let place = state.messages.iter().position(|m| m.sid == *sid)?;
        if !allowed(&state.messages[place]) {
            return Some(Err(state.messages[place].clone()));
        }
        if let Some(message) = state.messages.remove(place) {
            state.rewrite();
            self.announce(Change::Gone(message.sid));
        }
        Some(Ok(()))
    }

    /// Records an exchange for the page.
    pub(crate) fn note(&self, exchange: Exchange) {
        let mut state = self.state();
        state.exchanges.push_back(exchange.clone());
        if state.exchanges.len() > EXCHANGES_KEPT {
            state.exchanges.pop_front();
        }
        self.announce(Change::Exchange(Arc::new(exchange)));
    }

    /// The last exchanges, newest first.
    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        self.state().exchanges.iter().rev().cloned().collect()
    }
}

impl State {
    /// Appends to the file of kept texts, if there is one.
    fn write(&mut self, write: impl FnOnce(&mut KeepFile) -> std::io::Result<()>) {
        let Some(keep) = &mut self.keep else {
            return;
        };
        report(write(keep));
        if keep.is_long(TEXTS_KEPT) {
            report(keep.rewrite(self.messages.iter()));
        }
    }

    /// Removes from the file of kept texts what is no longer here.
    fn rewrite(&mut self) {
        if let Some(keep) = &mut self.keep {
            report(keep.rewrite(self.messages.iter()));
        }
    }
}

/// A failure to keep is logged, not returned: the phone continues in memory.
fn report(written: std::io::Result<()>) {
    if let Err(error) = written {
        tracing::error!(%error, "the file of kept texts could not be written; a restart will lose this change");
    }
}

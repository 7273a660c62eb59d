//! The journey of an outbound text from queued to delivered, and the callbacks that report it.
//!
//! A text's states advance by time alone; the callbacks are made separately, one after another,
//! so that a slow program sees them late but in order.

use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, broadcast::error::RecvError, mpsc};

use crate::{
    exchange::{Exchange, Tone},
    message::{API_VERSION, Message, MessageSid, Status},
    phone::Phone,
    refusal::Refusal,
};

/// More than the states that any text goes through, so that reporting never blocks the text.
const STATES_OF_A_TEXT: usize = 8;

impl Phone {
    /// Accepts an outbound text and starts its journey.
    pub(crate) fn set_out(&self, message: Message) -> Result<Message, Refusal> {
        let place = self.place()?;
        let message = self.insert(message);
        tracing::info!(
            message.sid = message.sid.as_str(),
            message.segments = message.segments,
            "accepted a text, {}",
            message.sid.as_str()
        );
        self.spawn(travel(self.clone(), message.clone(), place));
        Ok(message)
    }

    /// Continues the journey of a text that was under way when the last phone stopped.
    pub(crate) fn go_on(&self, message: Message) {
        if let Ok(place) = self.place() {
            self.spawn(travel(self.clone(), message, place));
        }
    }

    /// Reports a change that was requested, rather than a step of the journey.
    pub(crate) fn report(&self, message: Message) {
        let phone = self.clone();
        self.spawn(async move { report(&phone, &message).await });
    }
}

/// Takes a text to its final status; `place` counts it among those under way until then.
async fn travel(phone: Phone, message: Message, place: OwnedSemaphorePermit) {
    let (reports, mut queue) = mpsc::channel(STATES_OF_A_TEXT);
    let states = async {
        pass_states(&phone, message, reports).await;
        drop(place);
    };
    let callbacks = async {
        while let Some(message) = queue.recv().await {
            report(&phone, &message).await;
        }
    };
    tokio::join!(states, callbacks);
}

async fn pass_states(phone: &Phone, mut message: Message, reports: mpsc::Sender<Message>) {
    while let Some(next) = next_state(message.status) {
        let waited = tokio::select! {
            waited = phone.rest(time_in_state(phone, &message)) => waited,
            () = called_off(phone, &message) => false,
        };
        if !waited {
            return;
        }
        let Some(changed) = step(phone, &message.sid, message.status, next) else {
            return;
        };
        // Cannot be full: it has room for all states.
        let _ = reports.try_send(changed.clone());
        message = changed;
    }
}

/// Resolves when a scheduled text, which may wait for weeks, is canceled or deleted, so that it
/// does not keep its place among those under way.
async fn called_off(phone: &Phone, message: &Message) {
    if message.status != Status::Scheduled {
        return std::future::pending().await;
    }
    let mut changes = phone.inbox().changes();
    loop {
        let waits = phone
            .inbox()
            .get(message.sid.as_str())
            .is_some_and(|message| message.status == Status::Scheduled);
        if !waits {
            return;
        }
        if let Err(RecvError::Closed) = changes.recv().await {
            return;
        }
    }
}

fn next_state(status: Status) -> Option<Status> {
    match status {
        Status::Scheduled | Status::Accepted => Some(Status::Queued),
        Status::Queued => Some(Status::Sending),
        Status::Sending => Some(Status::Sent),
        Status::Sent => Some(Status::Delivered),
        _ => None,
    }
}

fn time_in_state(phone: &Phone, message: &Message) -> Duration {
    let pace = phone.pace();
    let time = match message.status {
        Status::Scheduled => {
            let due_at = message.due_at.unwrap_or(message.created_at);
            return Duration::try_from(due_at.duration_since(phone.now())).unwrap_or_default();
        }
        Status::Queued => pace.queued,
        Status::Sending => pace.sending,
        Status::Sent => pace.sent,
        _ => Duration::ZERO,
    };
    time + phone.switches().slow
}

fn step(phone: &Phone, sid: &MessageSid, from: Status, to: Status) -> Option<Message> {
    let switches = phone.switches();
    let (to, error) = if to == Status::Delivered && switches.airplane {
        (Status::Undelivered, Some(switches.delivery_error))
    } else {
        (to, None)
    };
    phone.advance(sid, from, to, error)
}

/// Posts a text's state to its callback URL, if it has one.
async fn report(phone: &Phone, message: &Message) {
    let Some(url) = &message.callback_url else {
        return;
    };
    let what = format!("Status callback “{}” to {}", message.status, url.readable());
    let form = callback_form(phone, message);
    let (outcome, tone) = match phone.call(url, &form).await {
        Ok(answer) => (
            format!(
                "answered {} in {} ms",
                answer.status,
                answer.took.as_millis()
            ),
            if answer.is_success() {
                Tone::Good
            } else {
                Tone::Bad
            },
        ),
        Err(error) => (error.to_string(), Tone::Bad),
    };
    let (sid, status) = (message.sid.as_str(), message.status);
    if status.is_final() {
        tracing::info!(
            message.sid = sid,
            outcome,
            "{sid} {status}; callback {outcome}"
        );
    } else {
        tracing::debug!(
            message.sid = sid,
            outcome,
            "{sid} {status}; callback {outcome}"
        );
    }
    phone.note(Exchange {
        at: phone.now(),
        what,
        outcome,
        tone,
    });
}

fn callback_form(phone: &Phone, message: &Message) -> Vec<(String, String)> {
    let sid = message.sid.as_str();
    let status = message.status.as_str();
    let account = phone.account();
    let mut form = vec![
        ("MessageSid", sid.to_owned()),
        ("SmsSid", sid.to_owned()),
        ("MessageStatus", status.to_owned()),
        ("SmsStatus", status.to_owned()),
        ("To", message.to.clone()),
        ("AccountSid", account.sid.as_str().to_owned()),
        ("ApiVersion", API_VERSION.to_owned()),
    ];
    if let Some(from) = &message.from {
        form.push(("From", from.clone()));
    }
    if let Some(service) = &message.messaging_service_sid {
        form.push(("MessagingServiceSid", service.clone()));
    }
    if let Some(error) = message.error {
        form.push(("ErrorCode", error.code().to_string()));
        form.push(("ErrorMessage", error.reason().to_owned()));
    }
    form.into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

//! One text message: what it says and how far it has come.

use jiff::Timestamp;

/// Maximum number of digits of a number that is logged; phone numbers have more.
const LOGGED_DIGITS_MAX: usize = 4;

/// How far a text has come. A text only moves to a state of a higher [rank](State::rank), except
/// between the first three, which lead to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It is being given to Twilio right now; after a crash, it may have been.
    Claimed,
    /// It is certain that Twilio did not accept it; the next copy of the event tries again.
    Released,
    /// Twilio may have accepted it: it must be looked up before it is sent again.
    InDoubt,
    /// Twilio has it.
    Queued,
    /// Twilio is giving it to the carrier.
    Sending,
    /// The carrier has it.
    Sent,
    /// It reached the phone.
    Delivered,
    /// It did not reach the phone.
    Undelivered,
    /// It was not sent.
    Failed,
    /// Twilio will never accept it.
    Refused,
}

impl State {
    const ALL: [Self; 10] = [
        Self::Claimed,
        Self::Released,
        Self::InDoubt,
        Self::Queued,
        Self::Sending,
        Self::Sent,
        Self::Delivered,
        Self::Undelivered,
        Self::Failed,
        Self::Refused,
    ];

    /// The state's name in the store.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Released => "released",
            Self::InDoubt => "in_doubt",
            _ => self.status(),
        }
    }

    /// The state that is stored under `name`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// The state's name in a journey.
    pub(crate) fn status(self) -> &'static str {
        match self {
            Self::Claimed | Self::Released => "waiting",
            Self::InDoubt => "unknown",
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Undelivered => "undelivered",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }

    /// The state's position in the sequence; the last rank is final.
    pub(crate) fn rank(self) -> i64 {
        match self {
            Self::Claimed | Self::Released | Self::InDoubt => 0,
            Self::Queued => 1,
            Self::Sending => 2,
            Self::Sent => 3,
            Self::Delivered | Self::Undelivered | Self::Failed | Self::Refused => 4,
        }
    }

    /// Whether the text's state is final.
    pub(crate) fn is_final(self) -> bool {
        self.rank() == Self::Delivered.rank()
    }

    /// The state that Twilio's status stands for; `None` for an unknown status.
    pub(crate) fn of_twilio(status: &str) -> Option<Self> {
        Some(match status {
            "accepted" | "scheduled" | "queued" => Self::Queued,
            "sending" => Self::Sending,
            "sent" | "partially_delivered" => Self::Sent,
            "delivered" | "read" => Self::Delivered,
            "undelivered" => Self::Undelivered,
            "failed" | "canceled" => Self::Failed,
            _ => return None,
        })
    }
}

/// Why it is not known whether Twilio accepted a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// Twilio answered that it failed (5xx): most likely it did not accept the text.
    Answered,
    /// The connection broke off before the answer.
    BrokenOff,
    /// No answer came in time, or this program ended before it came.
    Silent,
}

impl Doubt {
    /// The doubt's name in the store.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::BrokenOff => "broken_off",
            Self::Silent => "silent",
        }
    }

    /// The doubt that is stored under `name`; the most serious one for an unknown name.
    pub(crate) fn named(name: &str) -> Self {
        [Self::Answered, Self::BrokenOff]
            .into_iter()
            .find(|doubt| doubt.name() == name)
            .unwrap_or(Self::Silent)
    }
}

/// Why Twilio did not accept or deliver a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reason {
    /// Twilio's error code, when it gave one.
    pub(crate) code: Option<i64>,
    /// In words, without phone numbers.
    pub(crate) words: String,
}

impl Reason {
    /// A reason for which Twilio has no code.
    pub(crate) fn new(words: impl Into<String>) -> Self {
        Self {
            code: None,
            words: words.into(),
        }
    }
}

/// A text as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    /// The text's id in its status callbacks.
    pub(crate) id: String,
    /// The event it was made for, if that has an id.
    pub(crate) event_id: Option<String>,
    /// What the phone shows.
    pub(crate) body: String,
    pub(crate) state: State,
    /// Twilio's id for it.
    pub(crate) sid: Option<String>,
    pub(crate) reason: Option<Reason>,
    pub(crate) doubt: Option<Doubt>,
    /// When it was last given to Twilio.
    pub(crate) posted_at: Option<Timestamp>,
    pub(crate) updated_at: Timestamp,
}

impl Text {
    /// Its name in a log: the number, if it is as short as a drawn one. An event may contain any
    /// text, and what looks like a phone number has no place in a log.
    pub(crate) fn number(&self) -> &str {
        let word = self.body.rsplit(' ').next().unwrap_or_default();
        let is_short = word.len() <= LOGGED_DIGITS_MAX;
        if is_short && !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()) {
            word
        } else {
            "a number"
        }
    }

    /// The event's id, for a log.
    pub(crate) fn event(&self) -> &str {
        self.event_id.as_deref().unwrap_or("(none)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_found_again_by_its_name() {
        for state in State::ALL {
            assert_eq!(State::named(state.name()), Some(state));
        }
        for doubt in [Doubt::Answered, Doubt::BrokenOff, Doubt::Silent] {
            assert_eq!(Doubt::named(doubt.name()), doubt);
        }
    }

    #[test]
    fn unknown_statuses_of_twilio_stand_for_nothing() {
        assert_eq!(State::of_twilio("teleported"), None);
        assert_eq!(State::of_twilio("accepted"), Some(State::Queued));
        assert_eq!(State::of_twilio("canceled"), Some(State::Failed));
    }
}

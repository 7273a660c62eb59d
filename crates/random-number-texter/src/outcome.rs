//! The outcome of a webhook's text, for the sender of the webhook.

use std::time::Duration;

use crate::{
    ledger::LedgerError,
    text::{Reason, State, Text},
};

/// The wait after a temporary failure of Twilio's; like the first pause of a webhook sender.
pub(crate) const TRY_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// What is reported to the sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 201: Twilio has the text.
    Texted,
    /// 202: Twilio will never accept the text; there is nothing to try again.
    Refused { reason: String },
    /// 503: try again after a while.
    TryAgain { reason: String, after: Duration },
    /// 429: the day's limit is reached; try again the next day.
    LimitReached { limit: u32, after: Duration },
}

impl Outcome {
    /// 503 with the usual pause.
    pub(crate) fn try_again(reason: impl Into<String>) -> Self {
        Self::TryAgain {
            reason: reason.into(),
            after: TRY_AGAIN_AFTER,
        }
    }

    /// 503 because the store failed, which is logged.
    pub(crate) fn store_failed(error: &LedgerError) -> Self {
        tracing::error!(%error, "the store failed; the sender should try again");
        Self::try_again("the texter's store failed")
    }

    /// What `text`'s state means for its event's sender.
    pub(crate) fn of(text: &Text) -> Self {
        match text.state {
            State::Refused => Self::Refused {
                reason: words(text.reason.as_ref()),
            },
            State::Failed if text.sid.is_none() => Self::try_again(words(text.reason.as_ref())),
            State::Claimed | State::Released | State::InDoubt => {
                Self::try_again(words(text.reason.as_ref()))
            }
            _ => Self::Texted,
        }
    }
}

/// A reason in one sentence, with Twilio's code.
pub(crate) fn words(reason: Option<&Reason>) -> String {
    match reason {
        Some(Reason {
            code: Some(code),
            words,
        }) => format!("Twilio's error {code}: {words}"),
        Some(Reason { code: None, words }) => words.clone(),
        None => "the text is being sent".to_owned(),
    }
}

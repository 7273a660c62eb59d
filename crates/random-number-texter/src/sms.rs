//! A client of Twilio's Messages API for other programs, without this program's ledger. Its user
//! must keep track of what it gave to Twilio.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    config::Account,
    doubt::{Listing, listing},
    number::PhoneNumber,
    outcome::words,
    times::TimeLimits,
    twilio::{self, LookedUp, Twilio},
};

/// Texts from one sender to one number.
#[derive(Debug, Clone)]
pub struct Sms {
    twilio: Twilio,
    times: TimeLimits,
}

/// What became of a request to create a text. Reasons are for people, without phone numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// Twilio has it, under this SID.
    Taken {
        /// Twilio's name for the text.
        sid: String,
    },
    /// Twilio certainly does not have it, and may accept it later.
    NotTaken {
        /// Why not.
        reason: String,
        /// The wait that Twilio asks for.
        retry_after: Option<Duration>,
    },
    /// Twilio will never accept it.
    Refused {
        /// Why not.
        reason: String,
    },
    /// Twilio may have it; call [`Sms::find`] before sending it again.
    InDoubt {
        /// What is known.
        reason: String,
    },
}

/// What Twilio's list says about a text that may have been sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The SIDs of texts that say the same, newest first; empty if Twilio lists none.
    Listed(Vec<String>),
    /// This is not known now.
    Unknown(String),
}

impl Sms {
    /// Makes a client; nothing is sent yet.
    ///
    /// # Errors
    /// No HTTP client could be made: TLS is not available on this machine.
    pub fn new(
        account: Account,
        from: PhoneNumber,
        to: PhoneNumber,
    ) -> Result<Self, reqwest::Error> {
        let times = TimeLimits::default();
        let twilio = Twilio::new(account, from, to, times.clone())?;
        Ok(Self { twilio, times })
    }

    /// How long after a request a text may still appear in Twilio's list.
    #[must_use]
    pub fn time_to_settle(&self) -> Duration {
        self.times.settle_silent
    }

    /// Asks Twilio to text `body`.
    pub async fn create(&self, body: &str) -> Created {
        match self.twilio.create(body, None).await {
            twilio::Created::Taken { sid, .. } => Created::Taken { sid },
            twilio::Created::NotTaken {
                reason,
                retry_after,
            } => Created::NotTaken {
                reason: words(Some(&reason)),
                retry_after,
            },
            twilio::Created::Refused { reason } => Created::Refused {
                reason: words(Some(&reason)),
            },
            twilio::Created::InDoubt { reason, .. } => Created::InDoubt {
                reason: words(Some(&reason)),
            },
        }
    }

    /// Asks Twilio for texts that say `body`, given to it at `posted_at` or later.
    pub async fn find(&self, body: &str, posted_at: Timestamp) -> Found {
        let sids = |texts: Vec<(String, _, _)>| texts.into_iter().map(|(sid, ..)| sid).collect();
        match self.twilio.look_up().await {
            LookedUp::Listed { texts, is_whole } => {
                match listing(body, Some(posted_at), texts, is_whole) {
                    Listing::Complete(texts) => Found::Listed(sids(texts)),
                    Listing::CutShort(texts) if !texts.is_empty() => Found::Listed(sids(texts)),
                    Listing::CutShort(_) => {
                        Found::Unknown("Twilio's list does not reach back far enough".to_owned())
                    }
                }
            }
            LookedUp::NoAnswer(reason) | LookedUp::NotOffered(reason) => Found::Unknown(reason),
        }
    }
}

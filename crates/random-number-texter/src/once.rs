//! Giving a text to Twilio once: claim it, settle it first if it is in doubt, send it, and record
//! the outcome. No two of these run for the same event at once.

use crate::{
    doubt::Settled,
    ledger::{Claim, LedgerError, NewText},
    outcome::{Outcome, TRY_AGAIN_AFTER, words},
    text::{State, Text},
    texter::Parts,
    times::until_midnight,
    twilio::Created,
};

impl Parts {
    /// Texts `new`, unless that was done before.
    pub(crate) async fn text_once(&self, new: NewText) -> Outcome {
        self.try_text(new)
            .await
            .unwrap_or_else(|error| Outcome::store_failed(&error))
    }

    async fn try_text(&self, new: NewText) -> Result<Outcome, LedgerError> {
        let text = match self.claim(&new).await? {
            Claim::InDoubt(text, doubt) => match self.settle(&text, doubt).await? {
                Settled::Known(outcome) => return Ok(outcome),
                Settled::Free => match self.claim(&new).await? {
                    Claim::Granted(text) => text,
                    other => return Ok(self.outcome_of(other)),
                },
            },
            Claim::Granted(text) => text,
            other => return Ok(self.outcome_of(other)),
        };
        self.announce(&text);
        self.send(&text).await
    }

    async fn claim(&self, new: &NewText) -> Result<Claim, LedgerError> {
        self.ledger
            .claim(new.clone(), self.now(), self.daily_limit)
            .await
    }

    fn outcome_of(&self, claim: Claim) -> Outcome {
        match claim {
            Claim::LimitReached(text) => {
                let outcome = Outcome::LimitReached {
                    limit: self.daily_limit,
                    after: until_midnight(self.now()),
                };
                tracing::warn!(
                    event.id = text.as_ref().map_or("(none)", Text::event),
                    limit = self.daily_limit,
                    "did not text a number: SMS_DAILY_LIMIT is reached until midnight UTC"
                );
                if let Some(text) = text {
                    self.announce(&text);
                }
                outcome
            }
            Claim::Settled(text) => {
                tracing::debug!(
                    event.id = text.event(),
                    text.status = text.state.status(),
                    "an event arrived again; it is not texted again"
                );
                Outcome::of(&text)
            }
            Claim::Granted(text) | Claim::InDoubt(text, _) => Outcome::of(&text),
        }
    }

    /// Gives a claimed text to Twilio and records the outcome.
    async fn send(&self, text: &Text) -> Result<Outcome, LedgerError> {
        let callback = self
            .callbacks
            .as_ref()
            .map(|callbacks| callbacks.url(&text.id));
        let created = self.twilio.create(&text.body, callback.as_deref()).await;
        let (event, now) = (text.event(), self.now());
        let (changed, outcome) = match created {
            Created::Taken { sid, state } => {
                let number = text.number();
                tracing::info!(
                    event.id = event,
                    text.sid = sid,
                    "{number} handed to Twilio as {sid}"
                );
                // A failure to store it does not change the answer: the text has been sent.
                let stored = self.ledger.advance(&text.id, &sid, state, None, now).await;
                let changed = stored.unwrap_or_else(|error| {
                    tracing::error!(event.id = event, %error, "a sent text could not be stored");
                    None
                });
                (changed, Outcome::Texted)
            }
            Created::NotTaken {
                reason,
                retry_after,
            } => {
                let told = words(Some(&reason));
                tracing::warn!(
                    event.id = event,
                    reason = told,
                    "{} not accepted by Twilio; the sender should try again",
                    text.number()
                );
                let after = retry_after.unwrap_or(TRY_AGAIN_AFTER);
                let changed = self.ledger.release(&text.id, Some(reason), now).await?;
                (
                    changed,
                    Outcome::TryAgain {
                        reason: told,
                        after,
                    },
                )
            }
            Created::Refused { reason } => {
                let told = words(Some(&reason));
                tracing::error!(
                    event.id = event,
                    reason = told,
                    "{} refused by Twilio for good; it is not tried again",
                    text.number()
                );
                let changed = self.ledger.refuse(&text.id, reason, now).await?;
                (changed, Outcome::Refused { reason: told })
            }
            Created::InDoubt { doubt, reason } => {
                let told = words(Some(&reason));
                tracing::warn!(
                    event.id = event,
                    reason = told,
                    "it is not known whether Twilio accepted the text; it is looked up before it is \
                     sent again"
                );
                let changed = self.ledger.doubt(&text.id, doubt, reason, now).await?;
                (changed, self.ask_again(doubt, told))
            }
        };
        match changed {
            Some(text) => {
                self.announce(&text);
                Ok(outcome)
            }
            // A status callback overtook the answer and reported more than it did; or the store
            // failed, which changes nothing about what Twilio answered.
            None => Ok(match self.ledger.named(&text.id).await {
                Ok(Some(text)) if text.state.rank() >= State::Queued.rank() => Outcome::of(&text),
                _ => outcome,
            }),
        }
    }
}

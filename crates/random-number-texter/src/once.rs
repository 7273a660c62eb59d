//! Giving one text to Twilio once: claim it, look it up when it is in doubt, send it, remember how
//! that went. No two of these run for the same event at once.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    ledger::{Adoption, Claim, LedgerError, NewText},
    outcome::{Outcome, TRY_AGAIN_AFTER, words},
    text::{Doubt, Reason, State, Text},
    texter::Parts,
    times::{after, remaining, until_midnight},
    twilio::{Created, LookedUp},
};

/// Twilio's clock and ours may differ by this much when a listed text is compared with the time
/// of our request; texts of other events are told apart by their SID anyway.
const CLOCKS_DIFFER_MAX: Duration = Duration::from_secs(10 * 60);

/// What a look-up found out.
enum Settled {
    /// The text exists, or will never; this is how its event stands.
    Known(Outcome),
    /// Twilio does not have the text: it may be sent.
    Free,
}

impl Parts {
    /// Texts `new`, unless that was done before.
    pub(crate) async fn text_once(&self, new: NewText) -> Outcome {
        self.try_text(new)
            .await
            .unwrap_or_else(|error| store_failed(&error))
    }

    async fn try_text(&self, new: NewText) -> Result<Outcome, LedgerError> {
        let text = match self.claim(&new).await? {
            Claim::InDoubt(text, doubt) => match self.look_up(&text, doubt).await? {
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
                tracing::info!(
                    event.id = text.event(),
                    text.status = text.state.status(),
                    "an event came again; it is not texted again"
                );
                Outcome::of(&text)
            }
            Claim::Granted(text) | Claim::InDoubt(text, _) => Outcome::of(&text),
        }
    }

    /// Gives a claimed text to Twilio and remembers what came of it.
    async fn send(&self, text: &Text) -> Result<Outcome, LedgerError> {
        let callback = self
            .callbacks
            .as_ref()
            .map(|callbacks| callbacks.url(&text.id));
        let created = self.twilio.create(&text.body, callback.as_deref()).await;
        let (event, now) = (text.event(), self.now());
        let (changed, outcome) = match created {
            Created::Taken { sid, state } => {
                tracing::info!(event.id = event, text.sid = sid, "Twilio took the text");
                // Answered before it is stored: whatever becomes of the store, the text is out.
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
                    "Twilio did not take the text; the sender is to try again"
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
                    "Twilio refused the text for good; it is not tried again"
                );
                let changed = self.ledger.refuse(&text.id, reason, now).await?;
                (changed, Outcome::Refused { reason: told })
            }
            Created::InDoubt { doubt, reason } => {
                let told = words(Some(&reason));
                tracing::warn!(
                    event.id = event,
                    reason = told,
                    "whether Twilio took the text is not known; it is looked up before it is sent \
                     again"
                );
                let changed = self.ledger.doubt(&text.id, doubt, reason, now).await?;
                let after = self.time_to_settle(doubt, Some(now), now);
                (
                    changed,
                    Outcome::TryAgain {
                        reason: told,
                        after,
                    },
                )
            }
        };
        match changed {
            Some(text) => {
                self.announce(&text);
                Ok(outcome)
            }
            // A status callback overtook the answer and told more than it.
            None => Ok(match self.ledger.named(&text.id).await? {
                Some(text) if text.state.rank() >= State::Queued.rank() => Outcome::of(&text),
                _ => outcome,
            }),
        }
    }

    /// Settles a text that an earlier run left in doubt, without sending it.
    pub(crate) async fn settle(&self, id: &str) -> Outcome {
        let settled = async {
            match self.ledger.named(id).await? {
                Some(text) if text.state == State::InDoubt => {
                    let doubt = text.doubt.unwrap_or(Doubt::Silent);
                    self.look_up(&text, doubt).await
                }
                Some(text) => Ok(Settled::Known(Outcome::of(&text))),
                None => Ok(Settled::Free),
            }
        };
        match settled.await {
            Ok(Settled::Known(outcome)) => outcome,
            Ok(Settled::Free) => Outcome::try_again("the text was not sent before; try again"),
            Err(error) => store_failed(&error),
        }
    }

    /// Asks Twilio whether it has a text, and remembers the answer.
    async fn look_up(&self, text: &Text, doubt: Doubt) -> Result<Settled, LedgerError> {
        let (texts, is_whole) = match (self.twilio.look_up().await, doubt) {
            (LookedUp::Listed { texts, is_whole }, _) => (texts, is_whole),
            // Twilio's word that it failed is enough where it shows no list.
            (LookedUp::NotOffered(_), Doubt::Answered) => (Vec::new(), true),
            (LookedUp::NotOffered(why) | LookedUp::NoAnswer(why), _) => {
                tracing::warn!(
                    event.id = text.event(),
                    reason = why,
                    "whether a text was sent is still not known"
                );
                return Ok(Settled::Known(Outcome::try_again(format!(
                    "whether the text was sent is not known: {why}"
                ))));
            }
        };
        let since = text
            .posted_at
            .map(|at| at.checked_sub(CLOCKS_DIFFER_MAX).unwrap_or(Timestamp::MIN));
        let is_recent = |at: Option<Timestamp>| match (at, since) {
            (Some(at), Some(since)) => at >= since,
            _ => true,
        };
        // There may be older ones that are not listed, and ours among them.
        let is_cut_short =
            !is_whole && texts.last().is_none_or(|last| is_recent(last.created_at()));
        let candidates: Vec<(String, State, Option<Reason>)> = texts
            .into_iter()
            .filter(|listed| is_recent(listed.created_at()))
            .filter(|listed| says(listed.body.as_deref().unwrap_or_default(), &text.body))
            .map(|listed| (listed.sid.clone(), listed.state(), listed.reason()))
            .collect();
        let now = self.now();
        match self.ledger.adopt(text, candidates, now).await? {
            Adoption::Adopted(text) => {
                tracing::info!(
                    event.id = text.event(),
                    text.sid = text.sid.as_deref().unwrap_or_default(),
                    "Twilio has the text that was in doubt"
                );
                self.announce(&text);
                return Ok(Settled::Known(Outcome::of(&text)));
            }
            Adoption::NotListed if !is_cut_short => {}
            Adoption::NotListed | Adoption::Unclear => {
                return Ok(Settled::Known(Outcome::try_again(
                    "whether the text was sent is not known yet: Twilio lists others like it",
                )));
            }
        }
        let wait = self.time_to_settle(doubt, text.posted_at, now);
        if doubt == Doubt::Silent && !wait.is_zero() {
            return Ok(Settled::Known(Outcome::TryAgain {
                reason: "Twilio does not list the text yet; it may still come".to_owned(),
                after: wait,
            }));
        }
        tracing::info!(
            event.id = text.event(),
            "Twilio does not have the text that was in doubt"
        );
        if let Some(text) = self.ledger.release(&text.id, None, now).await? {
            self.announce(&text);
        }
        Ok(Settled::Free)
    }

    /// How long until a text that is not listed may be sent again.
    fn time_to_settle(
        &self,
        doubt: Doubt,
        posted_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Duration {
        match (doubt, posted_at) {
            (Doubt::Answered, _) => TRY_AGAIN_AFTER,
            (Doubt::Silent, Some(posted_at)) => remaining(now, after(posted_at, self.times.settle)),
            (Doubt::Silent, None) => Duration::ZERO,
        }
    }
}

/// Whether a listed text says what ours does; a trial account's begin with Twilio's own words.
fn says(listed: &str, ours: &str) -> bool {
    const TRIAL: &str = "Sent from your Twilio trial account - ";
    listed.strip_prefix(TRIAL).unwrap_or(listed) == ours
}

fn store_failed(error: &LedgerError) -> Outcome {
    tracing::error!(%error, "the store failed; the sender is to try again");
    Outcome::try_again("the texter's store failed")
}

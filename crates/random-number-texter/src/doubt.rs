//! Texts that Twilio may have: before one is sent again, Twilio is asked for its list.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    ledger::{Adoption, LedgerError},
    outcome::{Outcome, TRY_AGAIN_AFTER},
    text::{Doubt, Reason, State, Text},
    texter::Parts,
    times::{after, remaining},
    twilio::{Listed, LookedUp},
};

/// How far Twilio's clock and ours may differ when a listed text is compared with the time of our
/// request; texts of other events are told apart by their SID anyway.
const CLOCKS_DIFFER_MAX: Duration = Duration::from_secs(10 * 60);

/// The result of asking Twilio.
pub(crate) enum Settled {
    /// The text exists, or this is not known yet; the outcome of its event.
    Known(Outcome),
    /// Twilio does not have the text: it may be sent.
    Free,
}

/// What Twilio's list says about one text.
pub(crate) enum Listing {
    /// All listed texts that may be this one.
    Complete(Vec<(String, State, Option<Reason>)>),
    /// Listed texts that may be this one; there may be more that are not listed.
    CutShort(Vec<(String, State, Option<Reason>)>),
}

impl Parts {
    /// Settles a text that an earlier run left in doubt, without sending it.
    pub(crate) async fn settle_left(&self, id: &str) -> Outcome {
        let settled = async {
            match self.ledger.named(id).await? {
                Some(text) if text.state == State::InDoubt => {
                    let doubt = text.doubt.unwrap_or(Doubt::Silent);
                    self.settle(&text, doubt).await
                }
                Some(text) => Ok(Settled::Known(Outcome::of(&text))),
                None => Ok(Settled::Free),
            }
        };
        match settled.await {
            Ok(Settled::Known(outcome)) => outcome,
            Ok(Settled::Free) => Outcome::try_again("the text was not sent before; try again"),
            Err(error) => Outcome::store_failed(&error),
        }
    }

    /// Asks Twilio whether it has a text, and remembers the answer.
    pub(crate) async fn settle(&self, text: &Text, doubt: Doubt) -> Result<Settled, LedgerError> {
        let listing = match (self.twilio.look_up().await, doubt) {
            (LookedUp::Listed { texts, is_whole }, _) => {
                listing(&text.body, text.posted_at, texts, is_whole)
            }
            // If Twilio shows no list, its answer that it failed is enough.
            (LookedUp::NotOffered(_), Doubt::Answered) => Listing::Complete(Vec::new()),
            (LookedUp::NotOffered(why) | LookedUp::NoAnswer(why), _) => {
                tracing::warn!(
                    event.id = text.event(),
                    reason = why,
                    "it is still not known whether a text was sent"
                );
                return Ok(Settled::Known(Outcome::try_again(format!(
                    "it is not known whether the text was sent: {why}"
                ))));
            }
        };
        let (is_complete, candidates) = match listing {
            Listing::Complete(candidates) => (true, candidates),
            Listing::CutShort(candidates) => (false, candidates),
        };
        let now = self.now();
        match self.ledger.adopt(text, candidates, now).await? {
            Adoption::Adopted(text) => {
                tracing::info!(
                    event.id = text.event(),
                    text.sid = text.sid.as_deref().unwrap_or_default(),
                    "{} was in doubt: Twilio has the text",
                    text.number()
                );
                self.announce(&text);
                Ok(Settled::Known(Outcome::of(&text)))
            }
            Adoption::NotListed if is_complete => self.free(text, doubt, now).await,
            Adoption::NotListed | Adoption::Unclear => Ok(Settled::Known(Outcome::try_again(
                "it is not known yet whether the text was sent: Twilio lists others like it",
            ))),
        }
    }

    /// Releases a text that Twilio does not list, once it can no longer appear.
    async fn free(
        &self,
        text: &Text,
        doubt: Doubt,
        now: Timestamp,
    ) -> Result<Settled, LedgerError> {
        let wait = text.posted_at.map_or(Duration::ZERO, |posted_at| {
            remaining(now, after(posted_at, self.time_to_settle(doubt)))
        });
        if !wait.is_zero() {
            return Ok(Settled::Known(Outcome::TryAgain {
                reason: "Twilio does not list the text yet; it may still appear".to_owned(),
                after: wait,
            }));
        }
        tracing::info!(
            event.id = text.event(),
            "{} was in doubt: Twilio does not have the text",
            text.number()
        );
        if let Some(text) = self.ledger.release(&text.id, None, now).await? {
            self.announce(&text);
        }
        Ok(Settled::Free)
    }

    /// The outcome of a request that leaves `doubt`: try again when that can be settled.
    pub(crate) fn ask_again(&self, doubt: Doubt, reason: String) -> Outcome {
        Outcome::TryAgain {
            reason,
            after: self.time_to_settle(doubt).max(TRY_AGAIN_AFTER),
        }
    }

    /// How long after a request a text may still appear at Twilio.
    fn time_to_settle(&self, doubt: Doubt) -> Duration {
        match doubt {
            Doubt::Answered => Duration::ZERO,
            Doubt::BrokenOff => self.times.settle_broken_off,
            Doubt::Silent => self.times.settle_silent,
        }
    }
}

/// Those of `listed`, newest first, that may be the text `body`, which was given to Twilio at `posted_at`.
pub(crate) fn listing(
    body: &str,
    posted_at: Option<Timestamp>,
    listed: Vec<Listed>,
    is_whole: bool,
) -> Listing {
    let since = posted_at.map(|at| at.checked_sub(CLOCKS_DIFFER_MAX).unwrap_or(Timestamp::MIN));
    let is_recent = |listed: &Listed| match (listed.created_at(), since) {
        (Some(at), Some(since)) => at >= since,
        _ => true,
    };
    let reaches_back = is_whole || listed.last().is_some_and(|last| !is_recent(last));
    let candidates = listed
        .into_iter()
        .filter(is_recent)
        .filter(|listed| says(listed.body.as_deref().unwrap_or_default(), body))
        .map(|listed| (listed.sid.clone(), listed.state(), listed.reason()))
        .collect();
    if reaches_back {
        Listing::Complete(candidates)
    } else {
        Listing::CutShort(candidates)
    }
}

/// Whether a listed text says what ours says; a trial account's texts begin with Twilio's own words.
fn says(listed: &str, ours: &str) -> bool {
    const TRIAL: &str = "Sent from your Twilio trial account - ";
    listed.strip_prefix(TRIAL).unwrap_or(listed) == ours
}

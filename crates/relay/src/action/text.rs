//! A text message, sent with the texter's client for Twilio's Messages API.
//!
//! Twilio has no idempotency key. A text that may have been sent is looked up in Twilio's list
//! before it is sent again, and it is not sent again until it could no longer appear there.

use minijinja::Value;
use random_number_texter::{Account, Created, Found, PhoneNumber, Sms};
use webhooks_core::TransactionError;

use super::{
    attempt::{Attempt, Outcome, cut},
    keys::Keys,
};
use crate::{
    ledger::{Before, Done, Ledger},
    reading::Section,
    template::{Escape, RenderError, Template},
};

/// The longest text that Twilio accepts.
const BODY_CHARS_MAX: usize = 1_600;

/// The account, and the sender of its texts.
#[derive(Debug, Clone)]
pub(crate) struct Twilio {
    account: Account,
    from: PhoneNumber,
}

impl Twilio {
    pub(super) fn read(section: Section<'_>) -> Option<Self> {
        let (sid, token) = (section.required("sid"), section.required("token"));
        let base_url = section.text("base_url");
        let from = section.required("from").and_then(|from| {
            let number = PhoneNumber::sender(&from.text);
            if number.is_none() {
                section.fault(
                    &from.span,
                    "from must be a number like +15005550006, a short code or a sender's name",
                );
            }
            number
        });
        let account = match (&sid, &token) {
            (Some(sid), Some(token)) => {
                let base = base_url.as_ref().map(|url| url.text.as_str());
                let account = Account::new(&sid.text, &token.text, base);
                account
                    .map_err(|error| {
                        let wrong = match error.part {
                            "token" => &token.span,
                            "base_url" => base_url.as_ref().map_or(&section.span, |url| &url.span),
                            _ => &sid.span,
                        };
                        section.fault(wrong, error);
                    })
                    .ok()
            }
            _ => None,
        };
        section.finish();
        Some(Self {
            account: account?,
            from: from?,
        })
    }
}

/// Who gets a text, and what it says.
#[derive(Debug)]
pub(crate) struct Text {
    sms: Sms,
    body: Template,
}

impl Text {
    pub(super) fn read(keys: &Keys<'_>, twilio: Option<&Twilio>) -> Option<Self> {
        let section = keys.section;
        if twilio.is_none() {
            section.fault(
                &section.span,
                "a text needs an account: add [twilio] with sid, token and from",
            );
        }
        let to = section.required("to").and_then(|to| {
            let number = PhoneNumber::recipient(&to.text);
            if number.is_none() {
                section.fault(&to.span, "to must be a number like +15555550100");
            }
            number
        });
        let body = keys.template("text", Escape::Plain);
        let Twilio { account, from } = twilio?.clone();
        let sms = Sms::new(account, from, to?);
        let sms = sms
            .map_err(|error| section.fault(&section.span, error))
            .ok();
        Some(Self {
            sms: sms?,
            body: body?,
        })
    }

    pub(super) fn prepare(&self, values: &Value) -> Result<String, RenderError> {
        Ok(cut(&self.body.render(values)?, BODY_CHARS_MAX))
    }

    pub(super) async fn perform(&self, body: &str, attempt: &Attempt, ledger: &Ledger) -> Outcome {
        if let Some(before) = &attempt.before {
            match self.settled(body, before, attempt, ledger).await {
                Ok(None) => {}
                Ok(Some(outcome)) => return outcome,
                Err(error) => return Outcome::in_doubt(format!("the store refused: {error}")),
            }
        }
        match self.sms.create(body).await {
            Created::Taken { sid } => taken(sid, "Twilio has it"),
            Created::NotTaken {
                reason,
                retry_after,
            } => Outcome::Failed {
                reason,
                retry_after,
                in_doubt: false,
            },
            Created::Refused { reason } => Outcome::Refused { reason },
            Created::InDoubt { reason } => Outcome::in_doubt(reason),
        }
    }

    /// What came of an earlier attempt; `None` when it certainly sent nothing.
    async fn settled(
        &self,
        body: &str,
        before: &Before,
        attempt: &Attempt,
        ledger: &Ledger,
    ) -> Result<Option<Outcome>, TransactionError> {
        let sids = match self.sms.find(body, before.started_at).await {
            Found::Listed(sids) => sids,
            Found::Unknown(reason) => {
                return Ok(Some(Outcome::in_doubt(format!(
                    "whether the text was sent is not known: {reason}"
                ))));
            }
        };
        for sid in sids {
            // Another event's text may have the same words.
            if !ledger.made(&sid).await? {
                return Ok(Some(taken(sid, "Twilio has it, from an earlier try")));
            }
        }
        let waited = attempt.now.duration_since(before.started_at).unsigned_abs();
        if waited < self.sms.time_to_settle() {
            return Ok(Some(Outcome::in_doubt(
                "Twilio does not list the text yet; it may still come",
            )));
        }
        ledger.start_over(&attempt.entry, attempt.now).await?;
        Ok(None)
    }
}

fn taken(sid: String, words: &str) -> Outcome {
    Outcome::Done(Done {
        note: format!("{words}: {sid}"),
        added: None,
        reference: Some(sid),
    })
}

//! A text that a person writes on the page: it goes to the program as Twilio's inbound webhook,
//! and the texts in the TwiML that comes back are sent to the phone.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::{
    call_url::CallUrl,
    caller::Answer,
    draft::Draft,
    exchange::{Exchange, Tone},
    message::{API_VERSION, Direction, Message, Note, Status},
    number::PhoneNumber,
    phone::Phone,
    twiml::{self, Twiml},
};

/// The longest text that a person may write: as long as the API accepts.
pub(crate) const LONGEST_REPLY: usize = 1600;

/// The reply is not sent.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// There is nothing to send.
    #[error("the text is empty; write something")]
    Empty,
    /// Longer than a text may be.
    #[error("the text has {0} characters; the limit is {LONGEST_REPLY}")]
    TooLong(usize),
}

/// What became of a reply.
#[derive(Debug, Clone)]
pub struct Replied {
    /// The text as it stands on the phone.
    pub message: Message,
    /// Whether the program accepted it.
    pub delivered: bool,
}

impl Replied {
    /// What became of it, as the page's API reports it.
    pub(crate) fn json(&self) -> Value {
        json!({
            "sid": self.message.sid.as_str(),
            "delivered": self.delivered,
            "note": self.message.note.as_ref().map(|note| &note.text),
        })
    }
}

impl Phone {
    /// Writes a text on the phone and delivers it to the program; waits for its answer, at most
    /// 15 seconds.
    ///
    /// # Errors
    /// The text is empty or too long. That a program did not accept it is not an error: see
    /// [`Replied`].
    pub async fn reply(&self, body: &str) -> Result<Replied, ReplyError> {
        send(self, body).await
    }
}

/// Accepts a person's text and hands it to the program at `reply_url`.
async fn send(phone: &Phone, body: &str) -> Result<Replied, ReplyError> {
    let body = body.trim();
    match body.chars().count() {
        0 => return Err(ReplyError::Empty),
        length if length > LONGEST_REPLY => return Err(ReplyError::TooLong(length)),
        _ => {}
    }
    let account = phone.account();
    let mut message = phone.message(
        Direction::Inbound,
        Status::Received,
        Draft {
            to: account.from.to_string(),
            from: Some(account.to.to_string()),
            messaging_service_sid: None,
            body: body.to_owned(),
            media: 0,
            callback_url: None,
            due_at: None,
        },
    );
    message.sent_at = Some(message.created_at);
    message.note = Some(match phone.reply_url() {
        Some(url) => Note {
            text: format!("Being delivered to {}…", url.readable()),
            tone: Tone::Open,
        },
        None => Note {
            text: "Not delivered: no URL is configured for replies. Start dev-phone with \
                   --reply-url or REPLY_URL and write again."
                .to_owned(),
            tone: Tone::Bad,
        },
    });
    let message = phone.insert(message);
    let Some(url) = phone.reply_url() else {
        return Ok(Replied {
            message,
            delivered: false,
        });
    };
    let (outcome, tone) = deliver(phone, url, &message).await;
    tracing::info!(
        message.sid = message.sid.as_str(),
        outcome,
        "a reply from the phone: {outcome}"
    );
    phone.note(Exchange {
        at: phone.now(),
        what: format!("Inbound text to {}", url.readable()),
        outcome: outcome.clone(),
        tone,
    });
    let delivered = tone == Tone::Good;
    let note = Note {
        text: match delivered {
            true => format!("Delivered: {outcome}."),
            false => format!("Not delivered: {outcome}."),
        },
        tone,
    };
    // The text may have been deleted meanwhile; what became of it is still reported.
    let message = phone.set_note(&message.sid, &note).unwrap_or(Message {
        note: Some(note),
        ..message
    });
    Ok(Replied { message, delivered })
}

async fn deliver(phone: &Phone, url: &CallUrl, message: &Message) -> (String, Tone) {
    let answer = match phone.call(url, &form(phone, message)).await {
        Ok(answer) => answer,
        Err(error) => return (error.to_string(), Tone::Bad),
    };
    let said = format!("{} in {} ms", answer.status, answer.took.as_millis());
    if !answer.is_success() {
        return (
            format!("answered {said} (Twilio's error 11200, HTTP retrieval failure)"),
            Tone::Bad,
        );
    }
    match answered_texts(&answer) {
        Err(reason) => (format!("answered {said}, but {reason}"), Tone::Bad),
        Ok(twiml) => {
            let sent = send_replies(phone, url, message, &twiml);
            let ignored: Cow<'_, str> = if twiml.ignored.is_empty() {
                "".into()
            } else {
                format!("; not carried out here: {}", twiml.ignored.join(", ")).into()
            };
            let texts = match sent {
                0 => "no text in the answer".to_owned(),
                1 => "one text in the answer".to_owned(),
                count => format!("{count} texts in the answer"),
            };
            (format!("answered {said}, {texts}{ignored}"), Tone::Good)
        }
    }
}

/// The texts in a program's answer; plain text is one text, as with Twilio.
fn answered_texts(answer: &Answer) -> Result<Twiml, String> {
    let kind = answer.content_type.split(';').next().unwrap_or_default();
    match kind.trim().to_ascii_lowercase().as_str() {
        _ if answer.body.trim().is_empty() => Ok(Twiml::default()),
        "text/xml" | "application/xml" | "text/html" => twiml::read(&answer.body)
            .map_err(|error| format!("{error} (Twilio's error 12100, document parse failure)")),
        "text/plain" => Ok(Twiml {
            replies: vec![twiml::Reply {
                body: answer.body.clone(),
                ..twiml::Reply::default()
            }],
            ignored: Vec::new(),
        }),
        other => Err(format!(
            "its content type is {other:?}, not text/xml (Twilio's error 12300, invalid content type)"
        )),
    }
}

/// Sends the texts that an answer asks for, and returns their number.
fn send_replies(phone: &Phone, url: &CallUrl, inbound: &Message, twiml: &Twiml) -> usize {
    let account = phone.account();
    let mut sent = 0;
    for reply in &twiml.replies {
        if reply.body.is_empty() && reply.media == 0 {
            continue;
        }
        let to = match &reply.to {
            Some(to) => match to.parse::<PhoneNumber>() {
                Ok(to) => to.to_string(),
                Err(_) => continue,
            },
            None => inbound.from.clone().unwrap_or_default(),
        };
        let callback_url = reply
            .callback
            .as_ref()
            .and_then(|callback| url.join(callback));
        let message = phone.message(
            Direction::OutboundReply,
            Status::Queued,
            Draft {
                to,
                from: Some(account.from.to_string()),
                messaging_service_sid: None,
                body: reply.body.chars().take(LONGEST_REPLY).collect(),
                media: reply.media,
                callback_url,
                due_at: None,
            },
        );
        if phone.set_out(message).is_ok() {
            sent += 1;
        }
    }
    sent
}

fn form(phone: &Phone, message: &Message) -> Vec<(String, String)> {
    let sid = message.sid.as_str();
    [
        ("ToCountry", "US"),
        ("SmsMessageSid", sid),
        ("NumMedia", "0"),
        ("SmsSid", sid),
        ("SmsStatus", "received"),
        ("Body", &message.body),
        ("To", &message.to),
        ("NumSegments", &message.segments.to_string()),
        ("MessageSid", sid),
        ("AccountSid", phone.account().sid.as_str()),
        ("From", message.from.as_deref().unwrap_or_default()),
        ("ApiVersion", API_VERSION),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .to_vec()
}

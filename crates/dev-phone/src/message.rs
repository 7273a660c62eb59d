//! A text message: its states, and its exact JSON in Twilio's API.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::account::AccountSid;
use crate::call_url::CallUrl;
use crate::exchange::Tone;
use crate::switches::DeliveryError;

/// The version in every path and answer of the API.
pub(crate) const API_VERSION: &str = "2010-04-01";

/// A text's id: `SM` and 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageSid(String);

impl MessageSid {
    pub(crate) fn new(id: u128) -> Self {
        Self(format!("SM{id:032x}"))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for MessageSid {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

/// How far a text has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Waits for its scheduled time.
    Scheduled,
    /// Accepted by a messaging service, which has not chosen a sender yet.
    Accepted,
    /// Waits to be sent.
    Queued,
    /// Being handed to the carrier.
    Sending,
    /// The carrier has it.
    Sent,
    /// The phone has it.
    Delivered,
    /// The carrier could not hand it to the phone.
    Undelivered,
    /// Canceled before it was sent.
    Canceled,
    /// It came from the phone.
    Received,
}

impl Status {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Accepted => "accepted",
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Undelivered => "undelivered",
            Self::Canceled => "canceled",
            Self::Received => "received",
        }
    }

    /// Whether the text will not change any more by itself.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Delivered | Self::Undelivered | Self::Canceled | Self::Received
        )
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which way a text goes, and what caused it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// From the phone on the page to the program.
    #[serde(rename = "inbound")]
    Inbound,
    /// Sent through the API.
    #[serde(rename = "outbound-api")]
    OutboundApi,
    /// Sent by the TwiML that answered an inbound text.
    #[serde(rename = "outbound-reply")]
    OutboundReply,
}

impl Direction {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::OutboundApi => "outbound-api",
            Self::OutboundReply => "outbound-reply",
        }
    }
}

/// A text message, in either direction.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Message {
    /// Its place in the order of arrival; the newest has the highest.
    pub(crate) serial: u64,
    /// Its id.
    pub sid: MessageSid,
    /// Which way it goes.
    pub direction: Direction,
    /// Who sent it; none until a messaging service has chosen.
    pub from: Option<String>,
    /// Who gets it.
    pub to: String,
    /// What it says; empty once redacted.
    pub body: String,
    /// How far it has come.
    pub status: Status,
    /// Why it was not delivered.
    pub error: Option<DeliveryError>,
    /// How many segments it costs.
    pub segments: usize,
    /// How many pictures or other files come with it.
    pub media: usize,
    /// The messaging service it was given to.
    pub messaging_service_sid: Option<String>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When its state last changed.
    pub updated_at: Timestamp,
    /// When it was handed to the carrier.
    pub sent_at: Option<Timestamp>,
    /// When to send it, for a scheduled text.
    pub due_at: Option<Timestamp>,
    /// The URL to which its states are reported.
    pub callback_url: Option<CallUrl>,
    /// What became of an inbound text's webhook, for the page.
    pub note: Option<Note>,
}

/// A sentence below a text on the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The sentence.
    pub text: String,
    /// Whether it is good news.
    pub tone: Tone,
}

impl Message {
    /// The path of this text in the API.
    pub(crate) fn uri(&self, account: &AccountSid) -> String {
        format!("{}/{}.json", messages_path(account), self.sid.as_str())
    }

    /// The text as the API gives it: exactly Twilio's twenty keys.
    pub(crate) fn json(&self, account: &AccountSid) -> Value {
        json!({
            "account_sid": account.as_str(),
            "api_version": API_VERSION,
            "body": self.body,
            "date_created": rfc2822(self.created_at),
            "date_sent": self.sent_at.map(rfc2822),
            "date_updated": rfc2822(self.updated_at),
            "direction": self.direction.as_str(),
            "error_code": self.error.map(DeliveryError::code),
            "error_message": self.error.map(DeliveryError::reason),
            "from": self.from,
            "messaging_service_sid": self.messaging_service_sid,
            "num_media": self.media.to_string(),
            "num_segments": self.segments.to_string(),
            "price": null,
            "price_unit": "USD",
            "sid": self.sid.as_str(),
            "status": self.status.as_str(),
            "subresource_uris": {
                "media": format!("{}/{}/Media.json", messages_path(account), self.sid.as_str()),
            },
            "to": self.to,
            "uri": self.uri(account),
        })
    }
}

/// The path of the account's texts, without `.json`.
pub(crate) fn messages_path(account: &AccountSid) -> String {
    format!("/{API_VERSION}/Accounts/{}/Messages", account.as_str())
}

/// `Thu, 24 Aug 2023 05:01:45 +0000`.
fn rfc2822(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_rfc_2822_in_utc() {
        let at: Timestamp = "2023-08-24T05:01:45.987Z".parse().unwrap();
        assert_eq!(rfc2822(at), "Thu, 24 Aug 2023 05:01:45 +0000");
    }

    #[test]
    fn ids_are_sm_and_32_hexadecimal_digits() {
        assert_eq!(
            MessageSid::new(0xabc).as_str(),
            "SM00000000000000000000000000000abc"
        );
    }
}

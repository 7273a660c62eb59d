//! What Twilio's answers mean for a text.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use jiff::{Timestamp, fmt::rfc2822};
use serde::Deserialize;

use crate::{
    number::without_numbers,
    text::{Doubt, Reason, State},
};

/// Maximum number of texts that Twilio lists at once.
pub(super) const LISTED_TEXTS_MAX: usize = 1000;
/// The longest wait that we accept from Twilio; it usually asks for seconds.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);
/// Twilio's error texts are one or two sentences.
const WORDS_CHARS_MAX: usize = 300;

/// What became of a request to create a text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Created {
    /// Twilio has it.
    Taken { sid: String, state: State },
    /// Twilio certainly does not have it, and may accept it later.
    NotTaken {
        reason: Reason,
        retry_after: Option<Duration>,
    },
    /// Twilio will never accept it.
    Refused { reason: Reason },
    /// Twilio may have it.
    InDoubt { doubt: Doubt, reason: Reason },
}

/// Twilio's list of texts.
#[derive(Debug)]
pub(crate) enum LookedUp {
    /// The latest, newest first; `is_whole` when there are no older ones.
    Listed { texts: Vec<Listed>, is_whole: bool },
    /// No answer now; there may be one later.
    NoAnswer(String),
    /// An answer that says nothing, now or later.
    NotOffered(String),
}

/// A text as Twilio lists it.
#[derive(Debug, Deserialize)]
pub(crate) struct Listed {
    pub(crate) sid: String,
    pub(crate) body: Option<String>,
    status: String,
    date_created: Option<String>,
    error_code: Option<i64>,
    error_message: Option<String>,
}

impl Listed {
    /// How far it has come; Twilio has it, even if its status is unknown to us.
    pub(crate) fn state(&self) -> State {
        State::of_twilio(&self.status).unwrap_or(State::Queued)
    }

    /// Why it did not arrive.
    pub(crate) fn reason(&self) -> Option<Reason> {
        reason(self.error_code, self.error_message.as_deref())
    }

    /// When it was created; `None` if Twilio does not say.
    pub(crate) fn created_at(&self) -> Option<Timestamp> {
        rfc2822::DateTimeParser::new()
            .parse_timestamp(self.date_created.as_deref()?)
            .ok()
    }
}

#[derive(Deserialize)]
struct Made {
    sid: String,
    status: String,
}

#[derive(Deserialize)]
struct Page {
    messages: Vec<Listed>,
    next_page_uri: Option<String>,
}

#[derive(Deserialize)]
struct Fault {
    code: i64,
    message: String,
}

/// The reason that Twilio's `code` and `message` give, if any.
pub(crate) fn reason(code: Option<i64>, message: Option<&str>) -> Option<Reason> {
    let words = match (code, message.filter(|message| !message.is_empty())) {
        (None, None) => return None,
        (_, Some(message)) => without_numbers(message)
            .chars()
            .filter(|c| !c.is_control())
            .take(WORDS_CHARS_MAX)
            .collect(),
        (Some(code), None) => delivery_code(code).to_owned(),
    };
    Some(Reason { code, words })
}

/// Reads the answer to a request to create a text.
pub(super) fn created(status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> Created {
    if status.is_success() {
        return match serde_json::from_slice::<Made>(body) {
            Ok(made) => Created::Taken {
                state: State::of_twilio(&made.status).unwrap_or(State::Queued),
                sid: made.sid,
            },
            Err(_) => Created::InDoubt {
                doubt: Doubt::BrokenOff,
                reason: Reason::new(format!(
                    "Twilio answered {} without naming the text",
                    status.as_u16()
                )),
            },
        };
    }
    let fault: Option<Fault> = serde_json::from_slice(body).ok();
    let reason = fault
        .and_then(|fault| {
            let reason = reason(Some(fault.code), Some(&fault.message))?;
            Some(Reason {
                words: match hint(fault.code) {
                    Some(hint) => format!("{} ({hint})", reason.words.trim_end_matches('.')),
                    None => reason.words,
                },
                ..reason
            })
        })
        .unwrap_or_else(|| Reason::new(format!("Twilio answered {}", status.as_u16())));
    match status {
        // Rejected on arrival: never processed.
        StatusCode::TOO_MANY_REQUESTS => Created::NotTaken {
            reason,
            retry_after,
        },
        StatusCode::REQUEST_TIMEOUT => Created::InDoubt {
            doubt: Doubt::Answered,
            reason,
        },
        // A gateway's report that Twilio itself did not answer.
        StatusCode::GATEWAY_TIMEOUT => Created::InDoubt {
            doubt: Doubt::Silent,
            reason,
        },
        // There is no idempotency key: the failure may have come after the text was made.
        status if status.is_server_error() => Created::InDoubt {
            doubt: Doubt::Answered,
            reason,
        },
        status if status.is_redirection() => Created::Refused {
            reason: Reason::new(format!(
                "Twilio answered {}, a redirect that is not followed; check SMS_TWILIO_BASE_URL",
                status.as_u16()
            )),
        },
        _ => Created::Refused { reason },
    }
}

/// Reads the answer to a request to list texts.
pub(super) fn looked_up(status: StatusCode, body: Option<&[u8]>) -> LookedUp {
    if status == StatusCode::OK {
        return match body.map(serde_json::from_slice::<Page>) {
            Some(Ok(page)) => LookedUp::Listed {
                is_whole: page.next_page_uri.is_none() && page.messages.len() <= LISTED_TEXTS_MAX,
                texts: page.messages,
            },
            _ => LookedUp::NotOffered("Twilio's list of texts can't be read".to_owned()),
        };
    }
    let words = format!(
        "Twilio answered {} when asked for its texts",
        status.as_u16()
    );
    let is_passing = matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
    ) || (status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED);
    if is_passing {
        LookedUp::NoAnswer(words)
    } else {
        LookedUp::NotOffered(words)
    }
}

/// The seconds in `Retry-After`; Twilio gives no dates there.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// What to correct when Twilio refuses with `code`.
fn hint(code: i64) -> Option<&'static str> {
    Some(match code {
        20003 => "check SMS_TWILIO_SID and SMS_TWILIO_TOKEN",
        20404 => "check SMS_TWILIO_SID and SMS_TWILIO_BASE_URL",
        21211 | 21604 | 21614 => "check SMS_TWILIO_TO_NUMBER",
        21212 | 21603 | 21606 => "check SMS_TWILIO_FROM_NUMBER",
        21610 => "the phone opted out; text START from it",
        _ => return None,
    })
}

/// The meaning of the codes that Twilio sends with a status but without words.
fn delivery_code(code: i64) -> &'static str {
    match code {
        30003 => "the phone is off or out of reach",
        30004 => "the phone blocks the text",
        30005 => "the number is unknown or no longer in service",
        30006 => "the number is a landline or can't be reached by text",
        30007 => "the carrier filtered the text",
        30008 => "the carrier gave no reason",
        _ => "the text was not delivered",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, body: &str) -> Created {
        let retry_after = Some(Duration::from_secs(7));
        created(
            StatusCode::from_u16(status).unwrap(),
            retry_after,
            body.as_bytes(),
        )
    }

    #[test]
    fn a_made_text_is_taken_and_an_unreadable_answer_leaves_doubt() {
        assert_eq!(
            answered(201, r#"{"sid":"SM1","status":"accepted","more":1}"#),
            Created::Taken {
                sid: "SM1".to_owned(),
                state: State::Queued
            }
        );
        assert!(matches!(
            answered(201, "<html>"),
            Created::InDoubt {
                doubt: Doubt::BrokenOff,
                ..
            }
        ));
    }

    #[test]
    fn refusals_name_what_to_correct_and_no_number() {
        let Created::Refused { reason } = answered(
            400,
            r#"{"code":21211,"message":"The 'To' number +15005550001 is not a valid phone number.","status":400}"#,
        ) else {
            panic!("not refused");
        };
        assert_eq!(reason.code, Some(21211));
        assert_eq!(
            reason.words,
            "The 'To' number …01 is not a valid phone number (check SMS_TWILIO_TO_NUMBER)"
        );
        for status in [301, 400, 401, 403, 404, 418] {
            assert!(
                matches!(answered(status, ""), Created::Refused { .. }),
                "{status}"
            );
        }
    }

    #[test]
    fn too_many_requests_were_not_processed_and_server_errors_may_have_been() {
        assert!(matches!(
            answered(429, r#"{"code":21611,"message":"SMS queue is full."}"#),
            Created::NotTaken { reason, retry_after } if reason.code == Some(21611)
                && retry_after == Some(Duration::from_secs(7))
        ));
        for status in [408, 500, 502, 503, 504] {
            let Created::InDoubt { doubt, .. } = answered(status, "oops") else {
                panic!("no doubt after {status}");
            };
            assert_eq!(doubt == Doubt::Silent, status == 504, "{status}");
        }
    }

    #[test]
    fn a_list_is_read_or_the_reason_is_told() {
        let page = br#"{"messages":[{"sid":"SM1","body":"x","status":"failed","error_code":30003,
            "error_message":null,"date_created":"Thu, 24 Aug 2023 05:01:45 +0000"}],
            "next_page_uri":null}"#;
        let LookedUp::Listed { texts, is_whole } = looked_up(StatusCode::OK, Some(page)) else {
            panic!("not read");
        };
        assert!(is_whole);
        assert_eq!(texts[0].state(), State::Failed);
        assert_eq!(
            texts[0].reason().unwrap().words,
            "the phone is off or out of reach"
        );
        assert_eq!(
            texts[0].created_at(),
            Some("2023-08-24T05:01:45Z".parse().unwrap())
        );
        for (status, passes) in [(500, true), (429, true), (501, false), (404, false)] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(
                matches!(looked_up(status, Some(b"")), LookedUp::NoAnswer(_)),
                passes,
                "{status}"
            );
        }
        assert!(matches!(
            looked_up(StatusCode::OK, Some(b"{}")),
            LookedUp::NotOffered(_)
        ));
    }
}

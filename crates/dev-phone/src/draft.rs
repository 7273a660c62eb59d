//! A request to send a text, validated as Twilio does it.

use jiff::{SignedDuration, Timestamp};

use crate::{
    account::{Account, is_sid},
    call_url::CallUrl,
    number::{
        MAGIC_SENDER, Magic, PhoneNumber, is_alphanumeric_sender, is_short_code, magic_recipient,
        magic_sender,
    },
    refusal::Refusal,
};

/// The longest body of a text, in characters.
const LONGEST_BODY: usize = 1600;

/// The most `MediaUrl`s of a text.
const MOST_MEDIA: usize = 10;

/// A scheduled text waits at least five minutes and at most 35 days.
const SCHEDULE: std::ops::RangeInclusive<SignedDuration> =
    SignedDuration::from_secs(300)..=SignedDuration::from_secs(35 * 24 * 60 * 60);

/// A text that may be sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) to: String,
    pub(crate) from: Option<String>,
    pub(crate) messaging_service_sid: Option<String>,
    pub(crate) body: String,
    pub(crate) media: usize,
    pub(crate) callback_url: Option<CallUrl>,
    pub(crate) due_at: Option<Timestamp>,
}

impl Draft {
    /// Reads and validates the fields of a request; unknown fields are ignored.
    pub(crate) fn read(
        form: &[(String, String)],
        account: &Account,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let field = |name: &str| {
            form.iter()
                .find(|(key, value)| key == name && !value.is_empty())
                .map(|(_, value)| value.as_str())
        };
        let to = field("To").ok_or(Refusal::NoTo)?;
        let service = field("MessagingServiceSid");
        let from = field("From");
        if from.is_none() && service.is_none() {
            return Err(Refusal::NoFrom);
        }
        let media = media(form)?;
        let body = field("Body").unwrap_or_default();
        if body.is_empty() && media == 0 {
            return Err(Refusal::NoBody);
        }
        if body.chars().count() > LONGEST_BODY {
            return Err(Refusal::BodyTooLong);
        }
        if service.is_some_and(|sid| !is_sid(sid, "MG")) {
            return Err(Refusal::Parameter {
                name: "MessagingServiceSid",
                reason: "it must be MG and 32 hexadecimal digits",
            });
        }
        judge_recipient(to, from.unwrap_or_default())?;
        if let Some(from) = from {
            judge_sender(from, account)?;
            if from == to {
                return Err(Refusal::SameNumber(to.to_owned()));
            }
        }
        Ok(Self {
            to: to.to_owned(),
            from: from.map(str::to_owned),
            messaging_service_sid: service.map(str::to_owned),
            body: body.to_owned(),
            media,
            callback_url: field("StatusCallback").map(callback).transpose()?,
            // Without a messaging service, Twilio sends a scheduled text at once.
            due_at: match (service, field("ScheduleType")) {
                (Some(_), Some("fixed")) => Some(due_at(field("SendAt"), now)?),
                _ => None,
            },
        })
    }
}

fn judge_recipient(to: &str, from: &str) -> Result<(), Refusal> {
    let number = to.to_owned();
    match magic_recipient(to) {
        None if to.parse::<PhoneNumber>().is_ok() => Ok(()),
        Some(Magic::Unreachable) => Err(Refusal::Unreachable {
            to: number,
            from: from.to_owned(),
        }),
        Some(Magic::Region) => Err(Refusal::Region(number)),
        Some(Magic::OptedOut) => Err(Refusal::OptedOut),
        Some(Magic::NotMobile) => Err(Refusal::NotMobile(number)),
        _ => Err(Refusal::ToInvalid(number)),
    }
}

fn judge_sender(from: &str, account: &Account) -> Result<(), Refusal> {
    match magic_sender(from) {
        Some(Magic::QueueFull) => return Err(Refusal::QueueFull),
        Some(Magic::NotOwned) => return Err(Refusal::FromNotOwned(from.to_owned())),
        Some(_) => return Err(Refusal::FromInvalid(from.to_owned())),
        None => {}
    }
    if from == account.from.as_str() || from == MAGIC_SENDER {
        Ok(())
    } else if from.parse::<PhoneNumber>().is_ok() {
        Err(Refusal::FromNotOwned(from.to_owned()))
    } else if is_short_code(from) || is_alphanumeric_sender(from) {
        Ok(())
    } else {
        Err(Refusal::FromInvalid(from.to_owned()))
    }
}

fn media(form: &[(String, String)]) -> Result<usize, Refusal> {
    let mut count = 0;
    for (_, url) in form.iter().filter(|(key, _)| key == "MediaUrl") {
        url.parse::<CallUrl>().map_err(|_| Refusal::MediaInvalid)?;
        count += 1;
    }
    if count > MOST_MEDIA {
        return Err(Refusal::TooMuchMedia);
    }
    Ok(count)
}

fn callback(text: &str) -> Result<CallUrl, Refusal> {
    text.parse()
        .map_err(|_| Refusal::CallbackInvalid(text.to_owned()))
}

fn due_at(send_at: Option<&str>, now: Timestamp) -> Result<Timestamp, Refusal> {
    let send_at: Timestamp = send_at
        .ok_or(Refusal::SendAtMissing)?
        .parse()
        .map_err(|_| Refusal::SendAtOutside)?;
    if SCHEDULE.contains(&send_at.duration_since(now)) {
        Ok(send_at)
    } else {
        Err(Refusal::SendAtOutside)
    }
}

//! Phone numbers and sender ids by Twilio's rules, and the magic numbers of its test credentials.
//! It never guesses: a number without `+` and country code is not a number.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A phone number in E.164 form, such as `+15555550100`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PhoneNumber(String);

/// The text is not a phone number in E.164 form.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is not a phone number; write + and 2 to 15 digits, country code first, like +15555550100"
)]
pub struct NotANumber(String);

impl PhoneNumber {
    /// The number as `+` and digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A number that this program itself knows to be valid.
    pub(crate) fn known(number: &'static str) -> Self {
        Self(number.to_owned())
    }

    /// `(555) 555-0100` for a North American number, else the number as it is: only for people.
    pub(crate) fn pretty(&self) -> String {
        match self.0.strip_prefix("+1") {
            Some(digits) if digits.len() == 10 => {
                format!("+1 ({}) {}-{}", &digits[..3], &digits[3..6], &digits[6..])
            }
            _ => self.0.clone(),
        }
    }
}

impl std::str::FromStr for PhoneNumber {
    type Err = NotANumber;

    fn from_str(text: &str) -> Result<Self, NotANumber> {
        let digits = text.strip_prefix('+').unwrap_or("");
        let valid = (2..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit());
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotANumber(text.chars().take(40).collect()))
        }
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether `text` is a short code: three to eight digits, no `+`.
pub(crate) fn is_short_code(text: &str) -> bool {
    (3..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether `text` is an alphanumeric sender id: up to eleven letters, digits, spaces and a few
/// signs, at least one of them a letter.
pub(crate) fn is_alphanumeric_sender(text: &str) -> bool {
    (1..=11).contains(&text.len())
        && !text.starts_with('+')
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b" +-_&".contains(&byte))
}

/// The sender that Twilio's test credentials always accept.
pub(crate) const MAGIC_SENDER: &str = "+15005550006";

/// Why a magic number fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Magic {
    Invalid,
    NotOwned,
    QueueFull,
    Unreachable,
    Region,
    OptedOut,
    NotMobile,
}

/// What Twilio's test credentials answer for this number as the sender.
pub(crate) fn magic_sender(number: &str) -> Option<Magic> {
    match number {
        "+15005550001" => Some(Magic::Invalid),
        "+15005550007" => Some(Magic::NotOwned),
        "+15005550008" => Some(Magic::QueueFull),
        _ => None,
    }
}

/// What Twilio's test credentials answer for this number as the recipient.
pub(crate) fn magic_recipient(number: &str) -> Option<Magic> {
    match number {
        "+15005550001" => Some(Magic::Invalid),
        "+15005550002" => Some(Magic::Unreachable),
        "+15005550003" => Some(Magic::Region),
        "+15005550004" => Some(Magic::OptedOut),
        "+15005550009" => Some(Magic::NotMobile),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_judged_by_e164() {
        for (text, valid) in [
            ("+15555550100", true),
            ("+12", true),
            ("+123456789012345", true),
            ("+1234567890123456", false),
            ("+1", false),
            ("+05555550100", false),
            ("15555550100", false),
            (" 15555550100", false),
            ("+1555555010a", false),
            ("", false),
            ("+", false),
            ("+١٢٣٤", false),
        ] {
            assert_eq!(text.parse::<PhoneNumber>().is_ok(), valid, "{text:?}");
        }
    }

    #[test]
    fn senders_need_not_be_phone_numbers() {
        for (text, short, alphanumeric) in [
            ("12345", true, false),
            ("12", false, false),
            ("123456789", false, false),
            ("Weather", false, true),
            ("A&B Cabs", false, true),
            ("TwelveLetter", false, false),
            ("Ünicode", false, false),
            ("+1555a", false, false),
            ("", false, false),
        ] {
            assert_eq!(is_short_code(text), short, "{text:?}");
            assert_eq!(is_alphanumeric_sender(text), alphanumeric, "{text:?}");
        }
    }

    #[test]
    fn a_north_american_number_reads_well() {
        let number = |text: &str| text.parse::<PhoneNumber>().unwrap().pretty();
        assert_eq!(number("+15555550100"), "+1 (555) 555-0100");
        assert_eq!(number("+4930123456"), "+4930123456");
    }
}

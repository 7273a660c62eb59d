//! Phone numbers: checked when configured, shown only with their last two digits.

use std::fmt;

/// E.164 allows fifteen digits; the first is never zero.
const E164_DIGITS_MAX: usize = 15;
/// Twilio's own limits for the other kinds of sender.
const SENDER_NAME_CHARS_MAX: usize = 11;
const SHORT_CODE_DIGITS: std::ops::RangeInclusive<usize> = 3..=8;
/// A run of this many digits in Twilio's error texts may be somebody's number; its error codes
/// have five digits.
const DIGITS_HIDDEN_FROM: usize = 7;
const DIGITS_SHOWN: usize = 2;

/// The recipient or sender of a text. `Debug` and `Display` show only the last two characters.
#[derive(Clone, PartialEq, Eq)]
pub struct PhoneNumber(String);

impl PhoneNumber {
    /// Reads a number that can be texted: `+`, then 2 to 15 digits (E.164).
    #[must_use]
    pub fn recipient(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('+')?;
        let fits = (2..=E164_DIGITS_MAX).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        fits.then(|| Self(text.to_owned()))
    }

    /// Reads a sender: a number in E.164, a short code, or a name of up to 11 letters, digits and
    /// spaces.
    #[must_use]
    pub fn sender(text: &str) -> Option<Self> {
        let short_code = SHORT_CODE_DIGITS.contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_digit());
        let name = text.len() <= SENDER_NAME_CHARS_MAX
            && text.bytes().any(|byte| byte.is_ascii_alphabetic())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b' ');
        Self::recipient(text).or_else(|| (short_code || name).then(|| Self(text.to_owned())))
    }

    /// The whole number; only for the request to Twilio.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // ASCII by construction, so bytes are characters.
        write!(f, "…{}", &self.0[self.0.len() - DIGITS_SHOWN..])
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Replaces anything that may be a phone number in Twilio's text with `…` and its last two digits.
pub(crate) fn without_numbers(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit() || c == '+') {
        shown.push_str(&rest[..start]);
        rest = &rest[start..];
        let sign = usize::from(rest.starts_with('+'));
        let digits = rest[sign..].bytes().take_while(u8::is_ascii_digit).count();
        let run = &rest[..sign + digits];
        if digits >= DIGITS_HIDDEN_FROM {
            shown.push('…');
            shown.push_str(&run[run.len() - DIGITS_SHOWN..]);
        } else {
            shown.push_str(run);
        }
        rest = &rest[run.len()..];
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipient_is_a_number_in_e164() {
        for good in ["+15005550006", "+4915112345678", "+12"] {
            assert!(PhoneNumber::recipient(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "+",
            "+1",
            "15005550006",
            "+0123456",
            "+1 500 555",
            "+1234567890123456",
            "+٣٤٥",
        ] {
            assert!(PhoneNumber::recipient(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_sender_may_also_be_a_short_code_or_a_name() {
        for good in ["+15005550006", "12345", "Numbers Inc"] {
            assert!(PhoneNumber::sender(good).is_some(), "{good}");
        }
        for bad in ["", "12", "Numbers Incorporated", "Nümbers", "   "] {
            assert!(PhoneNumber::sender(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_number_shows_its_last_two_digits_only() {
        let number = PhoneNumber::recipient("+15005550006").unwrap();
        assert_eq!(format!("{number} {number:?}"), "…06 …06");
        assert_eq!(
            without_numbers("The 'To' number +15005550001 is no number (21211), nor 5005550002."),
            "The 'To' number …01 is no number (21211), nor …02."
        );
        assert_eq!(without_numbers("+ and 1+1"), "+ and 1+1");
    }
}

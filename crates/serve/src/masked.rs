//! Phone numbers in a form that may appear in a log.

use std::fmt;

/// Shows enough of a phone number to recognise it and too little to call it: `+1…50`.
#[derive(Clone, Copy)]
pub struct Masked<'a>(pub &'a str);

/// The last two digits would give away a shorter number (an emergency number, a short code, a
/// typo).
const SHORTEST_SHOWN_DIGITS: usize = 7;

impl fmt::Display for Masked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits: Vec<char> = self.0.chars().filter(char::is_ascii_digit).collect();
        let plus = if self.0.starts_with('+') { "+" } else { "" };
        match digits.as_slice() {
            [first, .., before_last, last] if digits.len() >= SHORTEST_SHOWN_DIGITS => {
                write!(f, "{plus}{first}…{before_last}{last}")
            }
            _ => f.write_str("…"),
        }
    }
}

impl fmt::Debug for Masked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::Masked;

    #[test]
    fn a_number_shows_its_first_and_its_last_two_digits() {
        assert_eq!(Masked("+15550100150").to_string(), "+1…50");
        assert_eq!(Masked("(555) 010-0150").to_string(), "5…50");
        assert_eq!(format!("{:?}", Masked("+15550100150")), "+1…50");
    }

    #[test]
    fn what_is_too_short_or_no_number_shows_nothing() {
        for text in ["", "+", "112", "123456", "alice@example.com"] {
            assert_eq!(Masked(text).to_string(), "…", "{text}");
        }
    }
}

//! How many segments a text costs: in GSM-7 if every character is in its alphabet, else in UCS-2.

use std::fmt;

/// GSM 03.38's basic alphabet; each costs one septet. ESC, its 128th place, is not a character.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
                     ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";

/// The extension table; each costs two septets, the first being ESC.
const EXTENDED: &str = "\u{c}^{}\\[~]|€";

/// How the characters of a text are encoded for transmission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Seven bits a character.
    Gsm7,
    /// Sixteen bits a unit, as in UTF-16.
    Ucs2,
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gsm7 => "GSM-7",
            Self::Ucs2 => "UCS-2",
        })
    }
}

/// The encoding of `body` and the number of segments it takes; an empty body takes one.
pub fn segments(body: &str) -> (Encoding, usize) {
    let septets: Option<Vec<usize>> = body.chars().map(septets).collect();
    match septets {
        Some(septets) => (Encoding::Gsm7, split(&septets, 160, 153)),
        None => {
            let units: Vec<usize> = body.chars().map(char::len_utf16).collect();
            (Encoding::Ucs2, split(&units, 70, 67))
        }
    }
}

/// What a character costs in GSM-7, if it is in its alphabet.
fn septets(character: char) -> Option<usize> {
    if BASIC.contains(character) {
        Some(1)
    } else {
        EXTENDED.contains(character).then_some(2)
    }
}

/// How many segments characters of these widths take. In a text that is split, the header that
/// joins the parts again takes room in every segment, and a character is never split.
fn split(widths: &[usize], alone: usize, joined: usize) -> usize {
    if widths.iter().sum::<usize>() <= alone {
        return 1;
    }
    let mut segments = 1;
    let mut used = 0;
    for width in widths {
        if used + width > joined {
            segments += 1;
            used = 0;
        }
        used += width;
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_follow_the_alphabet_and_the_length() {
        use Encoding::{Gsm7, Ucs2};
        for (body, expected) in [
            (String::new(), (Gsm7, 1)),
            ("a".repeat(160), (Gsm7, 1)),
            ("a".repeat(161), (Gsm7, 2)),
            ("a".repeat(306), (Gsm7, 2)),
            ("a".repeat(307), (Gsm7, 3)),
            ("€".repeat(80), (Gsm7, 1)),
            ("€".repeat(81), (Gsm7, 2)),
            ("^{}\\[~]|".repeat(10), (Gsm7, 1)),
            ("^{}\\[~]|".repeat(10) + "a", (Gsm7, 2)),
            ("ñ".repeat(160), (Gsm7, 1)),
            ("ç".repeat(70), (Ucs2, 1)),
            ("ç".repeat(71), (Ucs2, 2)),
            ("ç".repeat(134), (Ucs2, 2)),
            ("ç".repeat(135), (Ucs2, 3)),
            ("😀".repeat(35), (Ucs2, 1)),
            ("😀".repeat(36), (Ucs2, 2)),
            ("a".repeat(70) + "`", (Ucs2, 2)),
            ("Here's a random number: 641".to_owned(), (Gsm7, 1)),
            // A character of two units never straddles segments.
            ("a".repeat(152) + "€" + &"a".repeat(151), (Gsm7, 2)),
            ("a".repeat(152) + "€" + &"a".repeat(152), (Gsm7, 3)),
            ("ç".repeat(66) + "😀" + &"ç".repeat(65), (Ucs2, 2)),
            ("ç".repeat(66) + "😀" + &"ç".repeat(66), (Ucs2, 3)),
        ] {
            assert_eq!(segments(&body), expected, "{body:?}");
        }
    }

    #[test]
    fn the_basic_alphabet_has_127_characters() {
        assert_eq!(BASIC.chars().count(), 127);
    }
}

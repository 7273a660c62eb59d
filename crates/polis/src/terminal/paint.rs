//! Colours, if the terminal wants them.

/// The kind of a piece of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    Soft,
    Strong,
    Good,
    Odd,
    Bad,
    Name,
    Text,
    Number,
}

impl Ink {
    fn code(self) -> &'static str {
        match self {
            Self::Soft => "2",
            Self::Strong => "1",
            Self::Good | Self::Text => "32",
            Self::Odd | Self::Number => "33",
            Self::Bad => "31",
            Self::Name => "36",
        }
    }
}

/// Writes text in a colour, or plain.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint(pub(super) bool);

impl Paint {
    pub(super) fn put(self, out: &mut Vec<u8>, ink: Ink, text: &str) {
        if self.0 {
            out.extend_from_slice(b"\x1b[");
            out.extend_from_slice(ink.code().as_bytes());
            out.push(b'm');
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(b"\x1b[0m");
        } else {
            out.extend_from_slice(text.as_bytes());
        }
    }
}

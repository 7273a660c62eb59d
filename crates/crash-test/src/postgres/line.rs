//! What a node reports, one line each.

use super::{ledger::Said, mark::Mark};

/// Ends each line except the engine's own: a line that a kill cut off does not have it.
const END: &str = " .";

/// A line of a node's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A report about an event.
    Said(Said),
    /// The engine is open.
    Opened,
    /// A named place was reached: the process waits to be killed.
    Reached(String),
    /// Nothing more is sent.
    Quiet,
    /// The engine ended.
    Stopped,
}

impl Line {
    /// `None` when it is not a complete line.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        // The engine prints this itself.
        if let Some(place) = line.strip_prefix("reached ") {
            return Some(Self::Reached(place.to_owned()));
        }
        let words: Vec<&str> = line.strip_suffix(END)?.split(' ').collect();
        let mark = |text: &str| text.parse::<Mark>().ok();
        Some(match words[..] {
            ["sending", of, at] => Self::Said(Said::Sending(mark(of)?, at.parse().ok()?)),
            ["stored", of, at] => Self::Said(Said::Stored(mark(of)?, at.parse().ok()?)),
            ["refused", of] => Self::Said(Said::Refused(mark(of)?)),
            ["rolling-back", of] => Self::Said(Said::RollingBack(mark(of)?)),
            ["requesting", of] => Self::Said(Said::Requesting(mark(of)?)),
            ["opened"] => Self::Opened,
            ["quiet"] => Self::Quiet,
            ["stopped"] => Self::Stopped,
            _ => return None,
        })
    }

    fn text(&self) -> String {
        match self {
            Self::Said(Said::Sending(mark, at)) => format!("sending {mark} {at}{END}"),
            Self::Said(Said::Stored(mark, at)) => format!("stored {mark} {at}{END}"),
            Self::Said(Said::Refused(mark)) => format!("refused {mark}{END}"),
            Self::Said(Said::RollingBack(mark)) => format!("rolling-back {mark}{END}"),
            Self::Said(Said::Requesting(mark)) => format!("requesting {mark}{END}"),
            Self::Opened => format!("opened{END}"),
            Self::Reached(place) => format!("reached {place}"),
            Self::Quiet => format!("quiet{END}"),
            Self::Stopped => format!("stopped{END}"),
        }
    }

    /// Prints it.
    #[allow(clippy::print_stdout)] // The other process reads it.
    pub fn say(&self) {
        println!("{}", self.text());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_said_and_a_part_of_one_is_none() {
        let mark = Mark::new(3, 1, 77);
        for line in [
            Line::Said(Said::Sending(mark, 1_234)),
            Line::Said(Said::Stored(mark, 5_678)),
            Line::Said(Said::Refused(mark)),
            Line::Said(Said::RollingBack(mark)),
            Line::Said(Said::Requesting(mark)),
            Line::Opened,
            Line::Quiet,
            Line::Stopped,
        ] {
            let text = line.text();
            assert_eq!(Line::parse(&text), Some(line), "{text}");
            assert_eq!(Line::parse(&text[..text.len() - 1]), None, "{text}");
        }
        let reached = Line::Reached("in_flight".to_owned());
        assert_eq!(Line::parse(&reached.text()), Some(reached));
    }
}

//! The switches that make the phone and its network misbehave, for a person or a test.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The longest delay of the slow switch: beyond the time limit of any client worth testing.
pub const SLOWEST: Duration = Duration::from_secs(60);

/// Why a text never reached the phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeliveryError {
    /// 30003: the phone is off or out of reach.
    Unreachable,
    /// 30005: nobody has this number.
    Unknown,
    /// 30006: the number is a landline.
    Landline,
    /// 30007: the carrier filtered it.
    Filtered,
    /// 30008: the carrier gave no reason.
    NoReason,
}

impl DeliveryError {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 5] = [
        Self::Unreachable,
        Self::Unknown,
        Self::Landline,
        Self::Filtered,
        Self::NoReason,
    ];

    /// Twilio's code for it.
    pub fn code(self) -> u32 {
        match self {
            Self::Unreachable => 30003,
            Self::Unknown => 30005,
            Self::Landline => 30006,
            Self::Filtered => 30007,
            Self::NoReason => 30008,
        }
    }

    /// Twilio's words for it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Unreachable => "Unreachable destination handset",
            Self::Unknown => "Unknown destination handset",
            Self::Landline => "Landline or unreachable carrier",
            Self::Filtered => "Carrier violation",
            Self::NoReason => "Unknown error",
        }
    }
}

/// What happens to a request to send a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Answer {
    /// The text is accepted.
    #[default]
    Accept,
    /// 429 with code 20429; no text is accepted.
    TooManyRequests,
    /// 429 with code 21611; no text is accepted.
    QueueFull,
    /// 500; no text is accepted.
    ServerError,
    /// The connection closes without an answer; no text is accepted.
    Drop,
    /// The text is accepted, then the connection closes without an answer.
    AcceptThenDrop,
}

impl Answer {
    /// All of them, in the order in which the page lists them.
    pub const ALL: [Self; 6] = [
        Self::Accept,
        Self::TooManyRequests,
        Self::QueueFull,
        Self::ServerError,
        Self::Drop,
        Self::AcceptThenDrop,
    ];

    /// Its name in the switches' API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::TooManyRequests => "too_many_requests",
            Self::QueueFull => "queue_full",
            Self::ServerError => "server_error",
            Self::Drop => "drop",
            Self::AcceptThenDrop => "accept_then_drop",
        }
    }
}

/// The positions of all switches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switches {
    /// Texts are accepted but end undelivered, because of `delivery_error`.
    pub airplane: bool,
    /// Why texts are undelivered in airplane mode.
    pub delivery_error: DeliveryError,
    /// Extra time that every answer to a send, and every step of a text's journey, takes.
    pub slow: Duration,
    /// What a request to send a text gets.
    pub answer: Answer,
    /// For how many more requests `answer` applies; none: until it is switched.
    pub times: Option<u32>,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            airplane: false,
            delivery_error: DeliveryError::Unreachable,
            slow: Duration::ZERO,
            answer: Answer::Accept,
            times: None,
        }
    }
}

/// All settings that could not be understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct BadSwitches(Vec<String>);

impl Switches {
    /// Applies named settings to the current positions. A setting that is not named stays as it is,
    /// but naming `answer` without `times` makes it apply until it is switched again.
    ///
    /// # Errors
    /// Nothing is changed; the error names every setting that is unknown or out of range.
    pub fn with<'a>(
        &self,
        settings: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, BadSwitches> {
        let mut new = self.clone();
        let mut times = None;
        let mut wrong = Vec::new();
        for (name, value) in settings {
            match name {
                "airplane" => match value {
                    "on" | "true" => new.airplane = true,
                    "off" | "false" => new.airplane = false,
                    _ => wrong.push(format!("airplane is {value:?}; write on or off")),
                },
                "delivery_error" => match DeliveryError::ALL
                    .into_iter()
                    .find(|error| error.code().to_string() == value)
                {
                    Some(error) => new.delivery_error = error,
                    None => wrong.push(format!(
                        "delivery_error is {value:?}; write 30003, 30005, 30006, 30007 or 30008"
                    )),
                },
                "slow_seconds" => match value.parse::<u64>() {
                    Ok(seconds) if seconds <= SLOWEST.as_secs() => {
                        new.slow = Duration::from_secs(seconds);
                    }
                    _ => wrong.push(format!(
                        "slow_seconds is {value:?}; write a whole number from 0 to {}",
                        SLOWEST.as_secs()
                    )),
                },
                "answer" => {
                    match Answer::ALL.into_iter().find(|answer| answer.name() == value) {
                        Some(answer) => {
                            new.answer = answer;
                            new.times = None;
                        }
                        None => wrong.push(format!(
                            "answer is {value:?}; write {}",
                            Answer::ALL.map(Answer::name).join(", ")
                        )),
                    }
                }
                "times" => match value {
                    "" => times = Some(None),
                    _ => match value.parse::<u32>() {
                        Ok(count) if count > 0 => times = Some(Some(count)),
                        _ => wrong.push(format!(
                            "times is {value:?}; write a whole number from 1, or leave it empty"
                        )),
                    },
                },
                _ => wrong.push(format!(
                    "{name:?} is not a switch; the switches are airplane, delivery_error, slow_seconds, answer and times"
                )),
            }
        }
        if !wrong.is_empty() {
            return Err(BadSwitches(wrong));
        }
        if let Some(times) = times {
            new.times = times;
        }
        if new.answer == Answer::Accept {
            new.times = None;
        }
        Ok(new)
    }

    /// The answer for the next request to send; counts it.
    pub(crate) fn take_answer(&mut self) -> Answer {
        let answer = self.answer;
        match self.times {
            Some(times) if times > 1 => self.times = Some(times - 1),
            Some(_) => {
                self.times = None;
                self.answer = Answer::Accept;
            }
            None => {}
        }
        answer
    }

    /// The positions as the switches' API returns them.
    pub fn json(&self) -> Value {
        json!({
            "airplane": self.airplane,
            "delivery_error": self.delivery_error.code(),
            "slow_seconds": self.slow.as_secs(),
            "answer": self.answer.name(),
            "times": self.times,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_is_not_named_stays() {
        let first = Switches::default()
            .with([("airplane", "on"), ("slow_seconds", "5")])
            .unwrap();
        let second = first.with([("answer", "drop"), ("times", "2")]).unwrap();
        assert!(second.airplane);
        assert_eq!(second.slow, Duration::from_secs(5));
        assert_eq!((second.answer, second.times), (Answer::Drop, Some(2)));
    }

    #[test]
    fn the_last_of_two_values_counts_as_in_a_form_with_a_checkbox() {
        let switches = Switches::default()
            .with([("airplane", "off"), ("airplane", "on")])
            .unwrap();
        assert!(switches.airplane);
    }

    #[test]
    fn an_answer_holds_for_its_times_and_then_texts_are_taken_again() {
        let mut switches = Switches::default()
            .with([("times", "2"), ("answer", "server_error")])
            .unwrap();
        let answers: Vec<_> = (0..3).map(|_| switches.take_answer()).collect();
        assert_eq!(
            answers,
            [Answer::ServerError, Answer::ServerError, Answer::Accept]
        );
        assert_eq!(switches, Switches::default());
    }

    #[test]
    fn all_wrong_settings_are_named_at_once() {
        let error = Switches::default()
            .with([
                ("airplane", "perhaps"),
                ("slow_seconds", "61"),
                ("answer", "explode"),
                ("times", "0"),
                ("delivery_error", "1"),
                ("volume", "11"),
            ])
            .unwrap_err()
            .to_string();
        for name in [
            "airplane",
            "slow_seconds",
            "answer",
            "times",
            "delivery_error",
            "volume",
        ] {
            assert!(error.contains(name), "{name} in {error}");
        }
    }
}

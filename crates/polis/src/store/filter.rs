//! Which records a reader wants.

use std::str::FromStr;

use jiff::Timestamp;

use crate::{answer::glob, diagnosis::Verdict, record::Record};

/// The result of a signature check, including that there was none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignatureState {
    /// Verified.
    Ok,
    /// Signed wrongly.
    Failed,
    /// Not signed.
    Missing,
    /// Not checked.
    Unchecked,
}

impl SignatureState {
    pub(crate) fn of(record: &Record) -> Self {
        match record.diagnosis.as_ref().map(|d| d.verdict) {
            Some(Verdict::Ok) => Self::Ok,
            Some(Verdict::Failed) => Self::Failed,
            Some(Verdict::Missing) => Self::Missing,
            None => Self::Unchecked,
        }
    }
}

impl FromStr for SignatureState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "ok" => Ok(Self::Ok),
            "failed" => Ok(Self::Failed),
            "missing" => Ok(Self::Missing),
            "unchecked" => Ok(Self::Unchecked),
            _ => Err(format!(
                "signature is {text:?}; it must be ok, failed, missing or unchecked"
            )),
        }
    }
}

/// The answer: one status, a class like `5xx`, or an answer that nobody waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatusFilter {
    Range { from: u16, to: u16 },
    HungUp,
}

impl StatusFilter {
    fn wants(self, record: &Record) -> bool {
        record.answer().is_some_and(|answer| match self {
            Self::Range { from, to } => {
                (answer.status).is_some_and(|status| (from..=to).contains(&status))
            }
            Self::HungUp => answer.hung_up_after.is_some(),
        })
    }
}

impl FromStr for StatusFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("status is {text:?}; write a status like 404, a class like 5xx, or hung-up");
        if text == "hung-up" {
            return Ok(Self::HungUp);
        }
        if let Some(class) = text.strip_suffix("xx") {
            let class: u16 = class.parse().map_err(|_| wrong())?;
            if !(1..=9).contains(&class) {
                return Err(wrong());
            }
            return Ok(Self::Range {
                from: class * 100,
                to: class * 100 + 99,
            });
        }
        let status = text.parse().map_err(|_| wrong())?;
        Ok(Self::Range {
            from: status,
            to: status,
        })
    }
}

/// Only requests after this one, or from this time on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    Id(u64),
    Time(Timestamp),
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        if text == "now" {
            return Ok(Self::Time(Timestamp::now()));
        }
        text.parse().map(Self::Time).map_err(|_| {
            format!(
                "since is {text:?}; write a request's id, a time like 2026-01-31T12:00:00Z, or now"
            )
        })
    }
}

/// Which records are wanted; all conditions that are set must hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) scope: Option<String>,
    /// In lower case.
    pub(crate) text: Option<String>,
    pub(crate) method: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) status: Option<StatusFilter>,
    pub(crate) event: Option<String>,
    pub(crate) signature: Option<SignatureState>,
    pub(crate) delivery: Option<String>,
    pub(crate) since: Option<Since>,
}

impl Filter {
    pub(crate) fn wants(&self, record: &Record) -> bool {
        self.scope
            .as_ref()
            .is_none_or(|scope| **scope == *record.scope)
            && self.since.is_none_or(|since| match since {
                Since::Id(id) => record.id > id,
                Since::Time(time) => record.received_at >= time,
            })
            && self
                .method
                .as_ref()
                .is_none_or(|method| method.eq_ignore_ascii_case(record.method()))
            && self
                .path
                .as_ref()
                .is_none_or(|path| fits(path, &record.path()))
            && self.status.is_none_or(|status| status.wants(record))
            && self.event.as_ref().is_none_or(|event| {
                record
                    .event
                    .as_deref()
                    .is_some_and(|given| fits(event, given))
            })
            && self
                .signature
                .is_none_or(|state| state == SignatureState::of(record))
            && self.delivery.as_ref().is_none_or(|id| {
                record
                    .delivery
                    .as_ref()
                    .is_some_and(|delivery| delivery.id == *id)
            })
            && self.text.as_ref().is_none_or(|text| contains(record, text))
    }
}

/// Whether part of the text matches, ignoring case; or, if `wanted` has a `*`, which stands for
/// any text, all of it.
fn fits(wanted: &str, text: &str) -> bool {
    match wanted.contains('*') {
        true => glob(wanted, text),
        false => found(text.as_bytes(), wanted.to_ascii_lowercase().as_bytes()),
    }
}

/// Whether head, trailers or body contain the text, ignoring the case of ASCII letters.
fn contains(record: &Record, text: &str) -> bool {
    let text = text.as_bytes();
    record
        .head
        .as_ref()
        .is_some_and(|head| found(head.raw(), text))
        || found(&record.body, text)
        || found(&record.first_bytes, text)
        || found(&record.trailers, text)
        || found(record.comment.as_bytes(), text)
}

fn found(bytes: &[u8], text: &[u8]) -> bool {
    let Some(&first) = text.first() else {
        return true;
    };
    let upper = first.to_ascii_uppercase();
    bytes.iter().enumerate().any(|(position, byte)| {
        (*byte == first || *byte == upper)
            && bytes
                .get(position..position + text.len())
                .is_some_and(|part| part.eq_ignore_ascii_case(text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_found_whatever_its_case() {
        assert!(found(b"Content-Type: X", b"content-type"));
        assert!(found(b"abcABD", b"abd"));
        assert!(!found(b"ab", b"abc"));
    }

    #[test]
    fn a_part_is_enough_unless_a_star_is_used() {
        assert!(fits("hooks", "/in/acme/Hooks/1"));
        assert!(!fits("hooks*", "/in/acme/hooks/1"));
        assert!(fits("/hooks*", "/hooks/1"));
    }

    #[test]
    fn statuses_are_one_or_a_class() {
        assert_eq!(
            "5xx".parse(),
            Ok(StatusFilter::Range { from: 500, to: 599 })
        );
        assert!("xx".parse::<StatusFilter>().is_err());
        assert!("abc".parse::<StatusFilter>().is_err());
        assert!("0xx".parse::<StatusFilter>().is_err());
    }
}

//! The log for programs: one JSON object per line.

use serde::Serialize;

use crate::{
    captured::{Captured, CapturedAnswer},
    record::Record,
    redact::Redactor,
};

/// One line of the log.
#[derive(Debug, Serialize)]
#[serde(tag = "what", rename_all = "lowercase")]
pub(crate) enum Logged {
    Arrived {
        request: Box<Captured>,
    },
    Answered {
        id: u64,
        answer: Option<CapturedAnswer>,
    },
}

impl Logged {
    pub(super) fn arrived(record: &Record, redactor: Option<&Redactor>) -> Self {
        let request = Box::new(Captured::with_body(record, redactor));
        Self::Arrived { request }
    }

    pub(super) fn answered(record: &Record, redactor: Option<&Redactor>) -> Self {
        let answer = CapturedAnswer::whole(record, redactor);
        let id = record.id;
        Self::Answered { id, answer }
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let before = out.len();
        match serde_json::to_writer(&mut *out, self) {
            Ok(()) => out.push(b'\n'),
            // Never half a line.
            Err(_) => out.truncate(before),
        }
    }
}

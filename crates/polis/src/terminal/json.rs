//! The log for programs: one JSON object a line.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::format::Format;
use crate::{
    captured::{Captured, CapturedAnswer},
    record::Record,
    redact::Redactor,
};

#[derive(Debug)]
pub(super) struct JsonLines {
    redactor: Option<Arc<Redactor>>,
}

impl JsonLines {
    pub(super) fn new(redactor: Option<Arc<Redactor>>) -> Self {
        Self { redactor }
    }
}

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

impl Format for JsonLines {
    fn arrived(&self, out: &mut Vec<u8>, record: &Record) {
        let request = Box::new(Captured::with_body(record, self.redactor.as_deref()));
        put(out, &Logged::Arrived { request });
    }

    fn answered(&self, out: &mut Vec<u8>, record: &Record, _at: Timestamp) {
        let answer = CapturedAnswer::whole(record, self.redactor.as_deref());
        put(
            out,
            &Logged::Answered {
                id: record.id,
                answer,
            },
        );
    }
}

fn put(out: &mut Vec<u8>, logged: &Logged) {
    let before = out.len();
    if serde_json::to_writer(&mut *out, logged).is_ok() {
        out.push(b'\n');
    } else {
        // Never half a line.
        out.truncate(before);
    }
}

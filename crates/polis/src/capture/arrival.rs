//! Makes a record of a request's bytes: which scope, which event, which attempt.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use jiff::Timestamp;
use serve::wire::{BodyFault, Head, ReadBody, Version};

use crate::{
    answer::{Asked, Occasion, Plan},
    content::{Content, event_type},
    diagnosis::Verdict,
    polis::Polis,
    record::Record,
    scope::{self, SCOPES, Scope},
};

/// How much of an unreadable request is kept.
const FIRST_BYTES: usize = 4 * 1024;

/// A request that was read, as far as it arrived.
pub(super) struct Arrived {
    pub(super) record: Arc<Record>,
    pub(super) scope: Arc<Scope>,
    pub(super) plan: Plan,
}

/// Makes the record of a request and the plan of its answer.
pub(super) fn arrive(
    polis: &Polis,
    remote: SocketAddr,
    received_at: Timestamp,
    head: Head,
    read: ReadBody,
) -> Arrived {
    let path = String::from_utf8_lossy(head.path()).into_owned();
    let named = scope::split(&path);
    let found = named.map(|(name, _)| polis.scopes.find_or_add(name));
    let no_room = matches!(found, Some(None));
    let scope = found
        .flatten()
        .unwrap_or_else(|| polis.scopes.default_scope());
    let settings = scope.settings();

    let content = Content::of(&head, &read.bytes);
    let event = event_type(&head, content, &read.bytes);
    let counted = scope.count(&head, &read.bytes, received_at);
    let mut asked = Asked::new(&head, &read.bytes);
    asked.event = event.as_deref();
    asked.before = counted.before;
    asked.verification = settings.verification.as_ref();
    let planned = Plan::by(&settings.rules, &asked);
    // An incomplete body cannot be verified, and the fault already says why.
    // Nobody signs a browser's preflight, or a request that only asks whether polis is up.
    let is_due =
        read.fault.is_none() && matches!(planned.occasion, Occasion::Webhook | Occasion::Challenge);
    let checked = || (polis.scopes).diagnosis(&scope, &head, &read.bytes, received_at);
    let diagnosis = is_due.then(checked).flatten();
    let verdict = diagnosis.as_ref().map(|diagnosis| diagnosis.verdict);
    // Most providers do not sign their check of a URL; echoing it gives nothing away.
    let is_check = planned.occasion == Occasion::Challenge && verdict == Some(Verdict::Missing);
    let enforces =
        (settings.verification.as_ref()).is_some_and(|verification| verification.enforce);
    let enforced = is_due && enforces && verdict != Some(Verdict::Ok) && !is_check;
    let plan = if let Some(fault) = &read.fault {
        Plan::refusal(fault.status(), &told(fault), None)
    } else if no_room {
        let text = format!(
            "there are {SCOPES} scopes, the most that polis keeps; DELETE one through the API"
        );
        Plan::refusal(503, &text, Some(text.clone()))
    } else if enforced {
        Plan::refusal(
            401,
            "the signature was not accepted",
            Some("the signature is enforced".into()),
        )
    } else {
        planned
    };

    let record = Arc::new(Record {
        scope: Arc::clone(&scope.name),
        received_at,
        remote,
        notes: notes(&head),
        body_cut: read.fault.as_ref().is_some_and(|fault| fault.is_cut()),
        problem: read.fault.as_ref().map(told),
        body: read.bytes,
        trailers: read.trailers.into(),
        content,
        event,
        delivery: counted.delivery,
        diagnosis,
        head: Some(head),
        ..Record::empty(polis.store.next_id())
    });
    Arrived {
        record,
        scope,
        plan,
    }
}

/// The fault, with what can be done about it.
fn told(fault: &BodyFault) -> String {
    match fault {
        BodyFault::TooLarge { .. } => format!("{fault} (--body-limit raises it)"),
        fault => fault.to_string(),
    }
}

/// The record of bytes that are not a request.
pub(super) fn unreadable(
    polis: &Polis,
    remote: SocketAddr,
    received_at: Timestamp,
    bytes: &[u8],
    problem: String,
) -> Arc<Record> {
    Arc::new(Record {
        received_at,
        remote,
        first_bytes: Bytes::copy_from_slice(&bytes[..bytes.len().min(FIRST_BYTES)]),
        body_cut: bytes.len() > FIRST_BYTES,
        problem: Some(problem),
        ..Record::empty(polis.store.next_id())
    })
}

/// What a web framework would have refused or hidden.
fn notes(head: &Head) -> Vec<String> {
    let mut notes = Vec::new();
    let mut note = |text: &str| notes.push(text.to_owned());
    let hosts = head.all("host").count();
    if head.version() == Version::Http11 && hosts == 0 {
        note("there is no Host header, which HTTP/1.1 requires");
    }
    if hosts > 1 {
        note("Host came more than once; servers refuse that");
    }
    if head.get("transfer-encoding").is_some() && head.get("content-length").is_some() {
        note(
            "both Transfer-Encoding and Content-Length came; the first one counts, and the connection is closed",
        );
    }
    if head.all("content-length").count() > 1 {
        note("Content-Length came more than once, with the same value");
    }
    if std::str::from_utf8(head.target()).is_err() {
        note("the target is not UTF-8");
    }
    for (name, value) in head.headers() {
        if std::str::from_utf8(value).is_err() {
            notes.push(format!("the value of {name} is not UTF-8"));
        } else if value
            .iter()
            .any(|b| (*b < b' ' && *b != b'\t') || *b == 0x7f)
        {
            notes.push(format!("the value of {name} has control characters"));
        }
    }
    // Every header could have a note; a few are enough.
    notes.truncate(20);
    notes
}

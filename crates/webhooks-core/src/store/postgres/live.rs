//! Activities, as nodes send them to each other for readers of the live stream on other nodes.
//!
//! A notification contains the schema, the node, how many activities the node had before, and the activities that
//! it reports, as JSON. A receiver that sees a gap in these numbers knows how many activities were lost on the way.

use std::{collections::HashMap, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use crate::{
    activity::{Activity, ActivityKind, NextStep},
    attempt::{Attempt, BodyCut, Failure, Outcome},
    clock::{system_time, unix_millis},
    delivery::EndReason,
    elsewhere::Waiting,
    endpoint::EndpointId,
};

/// Postgres accepts less than 8,000.
const PAYLOAD_BYTES_MAX: usize = 7_900;
/// How much of a response's body, and of its headers, is sent for an attempt, so that several attempts fit into
/// one notification.
const RESPONSE_BYTES_TOLD: usize = 1_024;
/// The longest name of a channel.
const CHANNEL_BYTES_MAX: usize = 63;
/// The end of the channel's name, after the schema's: no schema of ours has such a name.
const CHANNEL_END: &str = ".live";
/// Nodes that are remembered: far more than there will be.
const NODES_MAX: usize = 1_024;

/// The channel of activities. A schema name that is too long for it is cut off, which is why each
/// notification names its schema.
pub(super) fn channel(schema: &str) -> String {
    let end = schema.len().min(CHANNEL_BYTES_MAX - CHANNEL_END.len());
    format!("{}{CHANNEL_END}", &schema[..end])
}

/// An activity, as it is sent.
#[derive(Serialize, Deserialize)]
struct Told {
    customer: String,
    endpoint: String,
    url: String,
    event: Option<String>,
    kind: ToldKind,
}

#[derive(Serialize, Deserialize)]
enum ToldKind {
    Attempted(Box<ToldAttempt>),
    Ended(String),
    Disabled(String),
    /// With the time of the next try.
    InTrouble(i64),
    Recovered,
}

/// Times are in milliseconds since the Unix epoch.
#[derive(Serialize, Deserialize)]
struct ToldAttempt {
    number: u32,
    at: i64,
    duration_us: u64,
    status: Option<u16>,
    /// A failure's code and detail.
    failure: Option<(String, String)>,
    headers: Vec<(String, String)>,
    body: String,
    body_cut: Option<String>,
    next: ToldNext,
}

#[derive(Serialize, Deserialize)]
enum ToldNext {
    Done,
    RetryAt(i64),
    GaveUp(String),
}

impl Told {
    /// `None` for what is not sent.
    fn of(activity: &Activity) -> Option<Self> {
        let kind = match &activity.kind {
            ActivityKind::Attempted { attempt, next } => {
                ToldKind::Attempted(Box::new(ToldAttempt::of(attempt, next)))
            }
            ActivityKind::Ended(reason) => ToldKind::Ended(reason.as_str().to_owned()),
            ActivityKind::EndpointDisabled { reason } => ToldKind::Disabled(reason.clone()),
            ActivityKind::EndpointInTrouble { next_try } => {
                ToldKind::InTrouble(unix_millis(*next_try))
            }
            ActivityKind::EndpointRecovered => ToldKind::Recovered,
            ActivityKind::Missed(_) => return None,
        };
        Some(Self {
            customer: activity.customer.clone(),
            endpoint: activity.endpoint_id.to_string(),
            url: activity.url.clone(),
            event: activity.event_id.clone(),
            kind,
        })
    }

    /// `None` for what only later versions know.
    fn read(self) -> Option<Activity> {
        let kind = match self.kind {
            ToldKind::Attempted(told) => {
                let next = told.next.read()?;
                ActivityKind::Attempted {
                    attempt: told.attempt()?,
                    next,
                }
            }
            ToldKind::Ended(reason) => ActivityKind::Ended(EndReason::from_stored(&reason)?),
            ToldKind::Disabled(reason) => ActivityKind::EndpointDisabled { reason },
            ToldKind::InTrouble(at) => ActivityKind::EndpointInTrouble {
                next_try: system_time(at),
            },
            ToldKind::Recovered => ActivityKind::EndpointRecovered,
        };
        Some(Activity {
            customer: self.customer,
            endpoint_id: EndpointId::from_stored(self.endpoint),
            url: self.url,
            event_id: self.event,
            kind,
        })
    }

    /// Leaves out what can also be read with the attempt.
    fn without_response(&mut self) {
        if let ToldKind::Attempted(attempt) = &mut self.kind {
            attempt.headers.clear();
            attempt.body.clear();
        }
    }
}

impl ToldAttempt {
    fn of(attempt: &Attempt, next: &NextStep) -> Self {
        let failure = match &attempt.outcome {
            Outcome::Success => None,
            Outcome::Failure(failure) => Some((failure.code().to_owned(), failure.detail())),
        };
        let mut room = RESPONSE_BYTES_TOLD;
        let headers = attempt.headers.iter().take_while(|(name, value)| {
            let bytes = name.len() + value.len();
            let fits = bytes <= room;
            room = room.saturating_sub(bytes);
            fits
        });
        let body = &attempt.body_head[..attempt.body_head.len().min(RESPONSE_BYTES_TOLD)];
        Self {
            number: attempt.number,
            at: unix_millis(attempt.at),
            duration_us: u64::try_from(attempt.duration.as_micros()).unwrap_or(u64::MAX),
            status: attempt.status,
            failure,
            headers: headers.cloned().collect(),
            body: STANDARD.encode(body),
            body_cut: attempt.body_cut.map(|cut| cut.code().to_owned()),
            next: match next {
                NextStep::Done => ToldNext::Done,
                NextStep::RetryAt(at) => ToldNext::RetryAt(unix_millis(*at)),
                NextStep::GaveUp(reason) => ToldNext::GaveUp(reason.as_str().to_owned()),
            },
        }
    }

    fn attempt(self) -> Option<Attempt> {
        let outcome = match self.failure {
            None => Outcome::Success,
            Some((code, detail)) => {
                Outcome::Failure(Failure::from_stored(&code, detail, self.status)?)
            }
        };
        Some(Attempt {
            number: self.number,
            at: system_time(self.at),
            duration: Duration::from_micros(self.duration_us),
            outcome,
            status: self.status,
            headers: self.headers,
            body_head: STANDARD.decode(self.body).ok()?,
            body_cut: self.body_cut.as_deref().and_then(BodyCut::from_stored),
        })
    }
}

impl ToldNext {
    fn read(&self) -> Option<NextStep> {
        Some(match self {
            Self::Done => NextStep::Done,
            Self::RetryAt(at) => NextStep::RetryAt(system_time(*at)),
            Self::GaveUp(reason) => NextStep::GaveUp(EndReason::from_stored(reason)?),
        })
    }
}

/// The payloads for the activities that wait on a node, as few as possible.
pub(super) fn payloads(schema: &str, node: i64, waiting: &Waiting) -> Vec<String> {
    let mut payloads: Vec<String> = Vec::new();
    // Whether the next one directly follows the last in the current payload.
    let mut follows = false;
    for (before, activity) in (waiting.before..).zip(&waiting.activities) {
        let Some(text) = text_of(activity) else {
            follows = false;
            continue;
        };
        match payloads.last_mut() {
            Some(payload) if follows && payload.len() + text.len() + 2 <= PAYLOAD_BYTES_MAX => {
                payload.push(',');
                payload.push_str(&text);
            }
            _ => payloads.push(format!("{schema} {node} {before} [{text}")),
        }
        follows = true;
    }
    for payload in &mut payloads {
        payload.push(']');
    }
    payloads
}

/// `None` if it does not fit into a payload.
fn text_of(activity: &Activity) -> Option<String> {
    // The schema, two numbers and the separators.
    const HEAD_BYTES_MAX: usize = 128;
    let mut told = Told::of(activity)?;
    let mut text = serde_json::to_string(&told).ok()?;
    if text.len() > PAYLOAD_BYTES_MAX - HEAD_BYTES_MAX {
        told.without_response();
        text = serde_json::to_string(&told).ok()?;
    }
    (text.len() <= PAYLOAD_BYTES_MAX - HEAD_BYTES_MAX).then_some(text)
}

/// What was heard from other nodes so far.
#[derive(Default)]
pub(super) struct Hearing {
    /// How many activities each node has reported.
    so_far: HashMap<i64, u64>,
}

impl Hearing {
    /// The activities in a notification, preceded by how many were lost before them.
    pub(super) fn hear(&mut self, schema: &str, payload: &str) -> Vec<Activity> {
        let Some((node, before, told)) = read(schema, payload) else {
            return Vec::new();
        };
        let until = before + told.len() as u64;
        if self.so_far.len() >= NODES_MAX && !self.so_far.contains_key(&node) {
            self.so_far.clear();
        }
        let so_far = self.so_far.insert(node, until);
        let missed = so_far.map_or(0, |so_far| before.saturating_sub(so_far));
        let missed = (missed > 0).then(|| Activity::missed(missed));
        let activities = told.into_iter().filter_map(|told| {
            let told: Told = serde_json::from_value(told).ok()?;
            told.read()
        });
        missed.into_iter().chain(activities).collect()
    }

    /// Nobody reads any more: what happens meanwhile does not count as missed.
    pub(super) fn forget(&mut self) {
        self.so_far.clear();
    }
}

/// The node, how many activities it had before, and those that it reports.
fn read(schema: &str, payload: &str) -> Option<(i64, u64, Vec<serde_json::Value>)> {
    let mut parts = payload.splitn(4, ' ');
    if parts.next()? != schema {
        return None;
    }
    let (node, before) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some((node, before, serde_json::from_str(parts.next()?).ok()?))
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    fn attempted(event: &str, body: usize) -> Activity {
        Activity {
            customer: "acme".to_owned(),
            endpoint_id: EndpointId::from_stored("ep_1".to_owned()),
            url: "https://example.com/".to_owned(),
            event_id: Some(event.to_owned()),
            kind: ActivityKind::Attempted {
                attempt: Attempt {
                    number: 2,
                    at: system_time(1_700_000_000_123),
                    duration: Duration::from_micros(4_567),
                    outcome: Outcome::Failure(Failure::Status(503)),
                    status: Some(503),
                    headers: vec![("content-type".to_owned(), "it's \"text\"".to_owned())],
                    body_head: vec![7; body],
                    body_cut: Some(BodyCut::Time),
                },
                next: NextStep::RetryAt(system_time(1_700_000_005_000)),
            },
        }
    }

    fn of_kind(kind: ActivityKind) -> Activity {
        Activity {
            kind,
            ..attempted("e", 0)
        }
    }

    fn waiting(before: u64, activities: Vec<Activity>) -> Waiting {
        Waiting {
            before,
            activities: VecDeque::from(activities),
        }
    }

    fn as_text(activities: &[Activity]) -> Vec<String> {
        activities.iter().map(|of| format!("{of:?}")).collect()
    }

    #[test]
    fn what_is_heard_is_what_was_told() {
        let told = vec![
            attempted("e", 100),
            of_kind(ActivityKind::Ended(EndReason::Canceled)),
            of_kind(ActivityKind::EndpointDisabled {
                reason: "gone".to_owned(),
            }),
            of_kind(ActivityKind::EndpointInTrouble {
                next_try: system_time(5_000),
            }),
            of_kind(ActivityKind::EndpointRecovered),
        ];
        let payloads = payloads("hooks", 7, &waiting(0, told.clone()));
        assert_eq!(payloads.len(), 1);
        let heard = Hearing::default().hear("hooks", &payloads[0]);
        assert_eq!(as_text(&heard), as_text(&told));
        assert!(Hearing::default().hear("other", &payloads[0]).is_empty());
    }

    #[test]
    fn no_payload_is_longer_than_postgres_takes_and_what_is_left_out_is_counted() {
        let mut told: Vec<Activity> = (0..100)
            .map(|n| attempted(&format!("e{n}"), if n % 3 == 0 { 4_096 } else { 10 }))
            .collect();
        // One that does not fit, whatever is left out.
        told[50].url = "u".repeat(9_000);
        // And one that fits without its response.
        told[60].url = "u".repeat(7_000);
        let payloads = payloads("hooks", 7, &waiting(0, told));
        let mut hearing = Hearing::default();
        let heard: Vec<Activity> = payloads
            .iter()
            .inspect(|payload| assert!(payload.len() <= PAYLOAD_BYTES_MAX))
            .flat_map(|payload| hearing.hear("hooks", payload))
            .collect();
        assert_eq!(heard.len(), 100);
        let events: Vec<_> = heard.iter().map(|of| of.event_id.clone()).collect();
        let wanted = |n: usize| (n != 50).then(|| format!("e{n}"));
        assert_eq!(events, (0..100).map(wanted).collect::<Vec<_>>());
        assert!(matches!(heard[50].kind, ActivityKind::Missed(1)));
    }

    #[test]
    fn what_was_left_out_on_the_way_is_counted_for_each_node() {
        let one = |node, before| {
            let waiting = waiting(before, vec![of_kind(ActivityKind::EndpointRecovered)]);
            payloads("hooks", node, &waiting).remove(0)
        };
        let mut hearing = Hearing::default();
        let mut missed = |node, before| match hearing.hear("hooks", &one(node, before))[0].kind {
            ActivityKind::Missed(missed) => missed,
            _ => 0,
        };
        // A reader that comes late has missed nothing.
        assert_eq!(missed(1, 40), 0);
        assert_eq!(missed(1, 41), 0);
        assert_eq!(missed(2, 7), 0);
        assert_eq!(missed(1, 50), 8);
        assert_eq!(missed(2, 8), 0);
    }

    #[test]
    fn a_channel_has_a_name_that_postgres_takes_whole() {
        assert_eq!(channel("hooks"), "hooks.live");
        assert_eq!(channel(&"s".repeat(63)).len(), 63);
    }
}

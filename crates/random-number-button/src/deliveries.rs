//! The engine's account of an event's deliveries, as the legs of its journey.

use url::Url;
use webhooks_core::{Attempt, Delivery, DeliveryState, Outcome};

use crate::{
    journey::{Leg, Reply, Standing, Try},
    said,
    sent::SentRequests,
    target::{TEXTER_NAME, Target},
};

/// What is known of the endpoints in addition to what the engine reports.
#[derive(Debug)]
pub(crate) struct Known {
    /// Their names.
    pub(crate) targets: Vec<Target>,
    /// The texter's endpoint.
    pub(crate) texter: Url,
    /// The requests that went out to them.
    pub(crate) sent: SentRequests,
}

impl Known {
    /// The name of the endpoint at `url`.
    pub(crate) fn name(&self, url: &str) -> String {
        let endpoint = Url::parse(url).ok();
        if endpoint.as_ref() == Some(&self.texter) {
            return TEXTER_NAME.to_owned();
        }
        let named = self.targets.iter();
        named
            .filter(|target| endpoint.as_ref() == Some(&target.url))
            .map(|target| target.name.clone())
            .next()
            // One of an earlier list, or one that was removed.
            .unwrap_or_else(|| match endpoint {
                Some(_) => url.trim_end_matches('/').to_owned(),
                None => "an endpoint that was removed".to_owned(),
            })
    }
}

/// The legs of these `deliveries`, the texter's first.
pub(crate) fn legs(deliveries: &[Delivery], known: &Known) -> Vec<Leg> {
    let mut legs: Vec<Leg> = deliveries
        .iter()
        .map(|delivery| leg(delivery, known))
        .collect();
    legs.sort_by(|a, b| (!a.texter, &a.url).cmp(&(!b.texter, &b.url)));
    legs
}

fn leg(delivery: &Delivery, known: &Known) -> Leg {
    let endpoint = Url::parse(&delivery.url).ok();
    let texter = endpoint.as_ref() == Some(&known.texter);
    let standing = match &delivery.state {
        DeliveryState::InFlight => Standing::UnderWay,
        DeliveryState::Waiting { due_at } => Standing::WaitsUntil(*due_at),
        DeliveryState::Held { reason, next_try } => Standing::Held(reason.to_string(), *next_try),
        DeliveryState::Delivered { at } => Standing::Delivered(*at),
        DeliveryState::Ended { reason, at } => Standing::Ended(reason.to_string(), *at),
        // A state that a later engine may add: nothing is claimed about it.
        _ => Standing::UnderWay,
    };
    let url = if !delivery.url.starts_with("http") {
        "an endpoint that was removed".to_owned()
    } else {
        // As people write it: the bare origin has no slash at its end.
        delivery.url.trim_end_matches('/').to_owned()
    };
    Leg {
        name: known.name(&delivery.url),
        texter,
        url,
        attempts: delivery
            .attempts
            .iter()
            .map(|made| Try {
                request: known.sent.find(&delivery.event_id, &delivery.url, made.at),
                ..attempt(made)
            })
            .collect(),
        standing,
    }
}

fn attempt(attempt: &Attempt) -> Try {
    let reply = || Reply {
        headers: attempt.headers.clone(),
        body: String::from_utf8_lossy(&attempt.body_head).into_owned(),
    };
    Try {
        request: None,
        answer: attempt.status.map(|_| reply()),
        number: attempt.number,
        at: attempt.at,
        took: attempt.duration,
        status: attempt.status,
        failure: match &attempt.outcome {
            Outcome::Success => None,
            Outcome::Failure(failure) => Some(failure.to_string()),
        },
        said: said::reason(&attempt.body_head),
    }
}

//! The engine's account of an event's deliveries, as the legs of its journey.

use url::Url;
use webhooks_core::{Attempt, Delivery, DeliveryState, Outcome};

use crate::{
    journey::{Leg, Standing, Try},
    said,
};

/// The legs that `deliveries` tell of, the one to `texter` first.
pub(crate) fn legs(deliveries: &[Delivery], texter: &Url) -> Vec<Leg> {
    let mut legs: Vec<Leg> = deliveries
        .iter()
        .map(|delivery| leg(delivery, texter))
        .collect();
    legs.sort_by(|a, b| (!a.texter, &a.url).cmp(&(!b.texter, &b.url)));
    legs
}

fn leg(delivery: &Delivery, texter: &Url) -> Leg {
    let standing = match &delivery.state {
        DeliveryState::InFlight => Standing::UnderWay,
        DeliveryState::Waiting { due_at } => Standing::WaitsUntil(*due_at),
        DeliveryState::Held { reason, next_try } => Standing::Held(reason.to_string(), *next_try),
        DeliveryState::Delivered { at } => Standing::Delivered(*at),
        DeliveryState::Ended { reason, at } => Standing::Ended(reason.to_string(), *at),
        // A state that a later engine may add: nothing is claimed of it.
        _ => Standing::UnderWay,
    };
    let url = if !delivery.url.starts_with("http") {
        "an endpoint that was removed".to_owned()
    } else {
        // As people write it: the bare origin has no slash at its end.
        delivery.url.trim_end_matches('/').to_owned()
    };
    Leg {
        texter: Url::parse(&delivery.url).is_ok_and(|url| url == *texter),
        url,
        attempts: delivery.attempts.iter().map(attempt).collect(),
        standing,
    }
}

fn attempt(attempt: &Attempt) -> Try {
    Try {
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

//! What an attempt means: for its delivery, and for its endpoint.

use super::{Shared, hand::InHand};
use crate::{
    activity::ActivityKind,
    attempt::Failure,
    clock::millis,
    delivery::EndReason,
    model::outcome::{Consequences, Disabling, Verdict},
    outbox::{Outbox, health::FailedAttempt, trouble::FailedEndpoint},
    sender::Response,
};

/// When an attempt was made, on the timeline.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) at: i64,
    pub(super) now: i64,
}

/// Decides what becomes of a delivery, and records what its attempt says about the endpoint.
pub(super) fn judge(
    hand: &mut InHand<'_>,
    response: &Response,
    span: Span,
) -> (Verdict, Consequences) {
    match &response.record.failure {
        None => {
            let (failing_changed, steps) = hand.outbox.succeeded(span.now);
            hand.shared.take_steps(hand.outbox, steps);
            let consequences = Consequences {
                failing_changed,
                ..Consequences::default()
            };
            (Verdict::Delivered, consequences)
        }
        Some(failure) => judge_failure(hand, response, failure, span),
    }
}

fn judge_failure(
    hand: &mut InHand<'_>,
    response: &Response,
    failure: &Failure,
    span: Span,
) -> (Verdict, Consequences) {
    let (shared, outbox) = (hand.shared, hand.outbox);
    let endpoint = outbox.endpoint();
    let Span { at, now } = span;
    if *failure == Failure::Status(410) {
        let consequences = Consequences {
            disabled: Some(Disabling {
                reason: "the receiver answered 410 Gone".to_owned(),
                failing_since: None,
            }),
            ..Consequences::default()
        };
        return (Verdict::End(EndReason::Disabled), consequences);
    }
    let failed = outbox.failed(&FailedAttempt {
        started_at: at,
        ended_at: now,
        symptom: failure.symptom(),
        retry_after: response.retry_after,
    });
    hand.is_counted = failed.trouble;
    tell_of_trouble(shared, outbox, &failed, now);
    let mut consequences = Consequences {
        failing_changed: failed.newly_failing,
        returning: failed.trouble,
        lane: None,
        disabled: disabled_after(shared, &failed, now),
    };
    let Some(row) = hand.row.as_ref() else {
        // The delivery was taken away: only the attempt's outcome is stored.
        return (Verdict::End(EndReason::Canceled), consequences);
    };
    let made = row.attempts + 1;
    let Some(wait) = endpoint.schedule.wait_after(made) else {
        tracing::info!(
            event.id = %row.event.id,
            customer = &*endpoint.customer,
            endpoint.id = %endpoint.id,
            url = endpoint.shown_url,
            attempt.number = row.number + 1,
            reason = %failure,
            "the last attempt of a delivery failed; it is given up"
        );
        if failed.trouble {
            shared.give_all_back(outbox);
            // The lane continues with the next delivery.
            consequences.lane = Some(failed.backoff);
        }
        return (Verdict::End(EndReason::Exhausted), consequences);
    };
    let wait = wait.max(response.retry_after.unwrap_or_default());
    let retry_at = now.saturating_add(millis(wait));
    tracing::info!(
        event.id = %row.event.id,
        customer = &*endpoint.customer,
        endpoint.id = %endpoint.id,
        url = endpoint.shown_url,
        attempt.number = row.number + 1,
        attempts_of = endpoint.schedule.attempts(),
        retry_in_s = wait.as_secs(),
        reason = %failure,
        "an attempt failed"
    );
    if !failed.trouble {
        return (Verdict::Retry { due_at: retry_at }, consequences);
    }
    let (mut due_at, mut backoff) = (retry_at, failed.backoff);
    if endpoint.ordered {
        (due_at, backoff.until) = (0, retry_at);
        outbox.back_off_until(retry_at);
    }
    shared.give_all_back(outbox);
    (Verdict::Lane { due_at, backoff }, consequences)
}

fn tell_of_trouble(shared: &Shared, outbox: &Outbox, failed: &FailedEndpoint, now: i64) {
    if failed.newly_slow {
        let endpoint = outbox.endpoint();
        tracing::info!(
            customer = &*endpoint.customer,
            endpoint.id = %endpoint.id,
            url = endpoint.shown_url,
            "an endpoint fails from time to time; sending to it more slowly while it does"
        );
    }
    if !failed.newly_in_trouble {
        return;
    }
    let endpoint = outbox.endpoint();
    tracing::warn!(
        customer = &*endpoint.customer,
        endpoint.id = %endpoint.id,
        url = endpoint.shown_url,
        next_try_s = (failed.backoff.until - now) / 1_000,
        "an endpoint is in trouble; its deliveries wait in its lane"
    );
    if shared.audience.is_there() {
        let next_try = shared.timeline.to_wall(failed.backoff.until);
        shared
            .audience
            .tell(endpoint.activity(None, ActivityKind::EndpointInTrouble { next_try }));
    }
}

/// The reason for disabling an endpoint, if it has failed for as long as the policy allows.
fn disabled_after(shared: &Shared, failed: &FailedEndpoint, now: i64) -> Option<Disabling> {
    let limit = shared.health.disable_after_ms?;
    let days = limit / (24 * 3600 * 1000);
    (failed.failing_since <= shared.health.uptime.began(now, limit)).then(|| Disabling {
        reason: format!("every attempt failed for {days} days"),
        failing_since: Some(failed.failing_since),
    })
}

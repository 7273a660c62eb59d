//! A worker: takes deliveries of one endpoint until none waits, makes each attempt, and says
//! what becomes of the delivery.

use std::{sync::Arc, time::Duration};

use super::{Outbox, Shared, outbox::FailedEndpoint};
use crate::{
    Ending, Failure, What,
    clock::millis,
    crash_point,
    sender::Response,
    store::{
        completion::{Completion, Consequences, LaneDate, Verdict},
        row::ClaimedDelivery,
    },
};

/// How long a delivery waits when this machine could not make its request, doubled up to the
/// maximum: with some thousand that wait, trying costs little, and none is late by much.
const MACHINE_WAIT_FIRST: Duration = Duration::from_secs(1);
const MACHINE_WAIT_MAX: Duration = Duration::from_secs(10);

/// Works until the endpoint's queue is empty. The worker was counted when it was spawned.
pub(super) async fn work(shared: Arc<Shared>, outbox: Arc<Outbox>) {
    while let Some(row) = outbox.next(&shared) {
        let hand = InHand {
            shared: &shared,
            outbox: &outbox,
            row: Some(row),
            waits_since: None,
            is_counted: false,
        };
        deliver(hand).await;
    }
}

/// A delivery in a worker's hand. Should the worker be cut off, it goes back to the lane.
struct InHand<'a> {
    shared: &'a Arc<Shared>,
    outbox: &'a Arc<Outbox>,
    row: Option<ClaimedDelivery>,
    /// The outbox's retreats when it began to wait; `None` when it did not have to.
    waits_since: Option<u64>,
    /// Its failure is counted as an outcome that returns to the lane.
    is_counted: bool,
}

impl InHand<'_> {
    /// Notes that the delivery waits: from now on it can be taken out of the hand.
    fn wait(&mut self) {
        if let (Some(row), None) = (&self.row, self.waits_since) {
            self.waits_since = Some(self.outbox.wait_begins(row.claim));
        }
    }

    /// The wait is over: whether the delivery is to be sent. Much can have changed meanwhile.
    fn goes_out(&mut self) -> bool {
        let Some(retreats) = self.waits_since else {
            return true;
        };
        self.end_wait();
        self.row.is_some() && self.outbox.may_go_out(retreats)
    }

    fn end_wait(&mut self) {
        if let (Some(row), Some(_)) = (&self.row, self.waits_since.take())
            && !self.outbox.wait_ended(row.claim)
        {
            self.row = None;
        }
    }
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        self.end_wait();
        if let Some(row) = self.row.take() {
            let completion = self.outbox.return_unsent(self.shared, row);
            self.shared.queue.complete_now(completion);
            if self.is_counted {
                // What was just queued counts in its place.
                self.outbox.returned(self.shared);
            }
        }
        if std::thread::panicking() {
            self.outbox.worker_lost(self.shared);
        }
    }
}

async fn deliver(mut hand: InHand<'_>) {
    let (shared, outbox) = (hand.shared, hand.outbox);
    if let Some(interval) = outbox.endpoint().interval {
        let now = shared.timeline.now();
        let wait = outbox.rate_wait(interval, now.saturating_mul(1_000));
        if !wait.is_zero() {
            let until = now.saturating_add(
                millis(wait).saturating_add(i64::from(wait.subsec_micros() % 1_000 != 0)),
            );
            hand.wait();
            let stopped = shared.stopped.notified();
            if shared.is_stopping() {
                return;
            }
            tokio::select! {
                () = shared.timeline.sleep_until(until) => {}
                () = stopped => return,
            }
        }
    }
    let Some(response) = attempt(&mut hand).await else {
        return;
    };
    crash_point::reach("in_flight");
    let Some(row) = hand.row.as_ref() else { return };
    let (verdict, consequences) = match &response.record.failure {
        None => {
            let consequences = Consequences {
                failing_changed: outbox.succeeded(shared),
                ..Consequences::default()
            };
            (Verdict::Delivered, consequences)
        }
        Some(failure) => judge_failure(
            shared,
            outbox,
            row,
            &mut hand.is_counted,
            failure,
            &response,
        ),
    };
    let Some(row) = hand.row.take() else { return };
    let completion = Completion {
        outbox: Arc::clone(outbox),
        row,
        attempt: Some(response.record),
        verdict,
        consequences,
    };
    shared.queue.complete(completion).await;
}

/// Makes one attempt, when there is a place for it. While this machine cannot make it, the delivery
/// waits in the hand, and no attempt is spent. `None` when it is not to be sent any more.
async fn attempt(hand: &mut InHand<'_>) -> Option<Response> {
    let (shared, outbox) = (hand.shared, hand.outbox);
    let mut machine_wait = MACHINE_WAIT_FIRST;
    loop {
        // A place among all requests; endpoints in trouble have their own, so that they cannot
        // take those of the healthy.
        let places = if outbox.is_in_trouble() {
            &shared.probes
        } else {
            &shared.requests
        };
        let stopped = shared.stopped.notified();
        if shared.is_stopping() {
            return None;
        }
        let place = match places.try_acquire() {
            Ok(place) => place,
            Err(_) => {
                hand.wait();
                tokio::select! {
                    biased;
                    place = places.acquire() => place.ok()?,
                    () = stopped => return None,
                }
            }
        };
        if !hand.goes_out() {
            return None;
        }
        let row = hand.row.as_ref()?;
        let endpoint = outbox.endpoint();
        let attempted = shared
            .sender
            .attempt(&endpoint, &row.event, &shared.timeline)
            .await;
        drop(place);
        let error = match attempted {
            Ok(response) => {
                if machine_wait > MACHINE_WAIT_FIRST {
                    shared.sender.machine.recovered();
                }
                return Some(response);
            }
            Err(error) => error,
        };
        shared.sender.machine.failed(&error);
        hand.wait();
        let stopped = shared.stopped.notified();
        if shared.is_stopping() {
            return None;
        }
        let until = shared.timeline.now().saturating_add(millis(machine_wait));
        tokio::select! {
            () = shared.timeline.sleep_until(until) => {}
            () = stopped => return None,
        }
        machine_wait = (machine_wait * 2).min(MACHINE_WAIT_MAX);
    }
}

fn judge_failure(
    shared: &Arc<Shared>,
    outbox: &Arc<Outbox>,
    row: &ClaimedDelivery,
    is_counted: &mut bool,
    failure: &Failure,
    response: &Response,
) -> (Verdict, Consequences) {
    let endpoint = outbox.endpoint();
    let now = shared.timeline.now();
    if *failure == Failure::Status(410) {
        let consequences = Consequences {
            disabled: Some("the receiver answered 410 Gone".to_owned()),
            ..Consequences::default()
        };
        return (Verdict::End(Ending::Disabled), consequences);
    }
    let failed = outbox.failed(now, failure.is_trouble(), response.retry_after);
    *is_counted = failed.trouble;
    tell_of_trouble(shared, outbox, &failed, now);
    let mut consequences = Consequences {
        failing_changed: failed.newly_failing,
        returning: failed.trouble,
        lane: None,
        disabled: disabled_after(shared, &failed, now),
    };
    let made = row.attempts + 1;
    let Some(wait) = endpoint.schedule.wait_after(made) else {
        tracing::info!(
            event.id = %row.event.id,
            endpoint.id = %endpoint.id,
            attempt.number = row.number + 1,
            reason = %failure,
            "the last attempt of a delivery failed; it is given up"
        );
        if failed.trouble {
            outbox.give_all_back(shared);
            // The lane goes on with the next delivery.
            consequences.lane = Some(LaneDate {
                backoff_until: failed.backoff_until,
                failures: failed.failures,
            });
        }
        return (Verdict::End(Ending::Exhausted), consequences);
    };
    let wait = wait.max(response.retry_after.unwrap_or_default());
    let retry_at = now.saturating_add(millis(wait));
    tracing::info!(
        event.id = %row.event.id,
        endpoint.id = %endpoint.id,
        attempt.number = row.number + 1,
        attempts_of = endpoint.schedule.attempts(),
        retry_in_s = wait.as_secs(),
        reason = %failure,
        "an attempt failed"
    );
    if !failed.trouble {
        return (Verdict::Retry { due_at: retry_at }, consequences);
    }
    let (due_at, backoff_until) = if endpoint.ordered {
        (0, retry_at)
    } else {
        (retry_at, failed.backoff_until)
    };
    if endpoint.ordered {
        outbox.back_off_until(retry_at);
    }
    outbox.give_all_back(shared);
    let verdict = Verdict::Lane {
        due_at,
        backoff_until,
        failures: failed.failures,
    };
    (verdict, consequences)
}

fn tell_of_trouble(shared: &Shared, outbox: &Outbox, failed: &FailedEndpoint, now: i64) {
    if !failed.newly_in_trouble {
        return;
    }
    let endpoint = outbox.endpoint();
    tracing::warn!(
        endpoint.id = %endpoint.id,
        next_try_s = (failed.backoff_until - now) / 1_000,
        "an endpoint is in trouble; its deliveries wait in its lane"
    );
    if shared.has_readers() {
        let next_try = shared.timeline.to_wall(failed.backoff_until);
        shared.tell(endpoint.activity(None, What::EndpointInTrouble { next_try }));
    }
}

/// Why an endpoint is disabled that has failed for as long as the policy allows.
fn disabled_after(shared: &Shared, failed: &FailedEndpoint, now: i64) -> Option<String> {
    let limit = shared.health.disable_after_ms?;
    let days = limit / (24 * 3600 * 1000);
    (now.saturating_sub(failed.failing_since) >= limit)
        .then(|| format!("every attempt failed for {days} days"))
}

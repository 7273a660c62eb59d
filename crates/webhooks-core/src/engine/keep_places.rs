//! Lets time pass for those who wait for places while nobody else asks for one.

use std::sync::Weak;

use super::Shared;

/// Notes which requests become overdue while somebody waits for the fast share; otherwise the next caller notes
/// it.
pub(crate) async fn keep_places(weak: Weak<Shared>) {
    loop {
        let Some(shared) = weak.upgrade() else { return };
        let places = &shared.places;
        let stopped = shared.stopped.notified();
        let contended = places.contended();
        if shared.is_stopping() {
            return;
        }
        match places.next_overdue() {
            Some(at) => tokio::select! {
                () = shared.timeline.sleep_until(at) => places.pass_time(shared.timeline.now()),
                () = stopped => return,
            },
            None => tokio::select! {
                () = contended => {}
                () = stopped => return,
            },
        }
    }
}

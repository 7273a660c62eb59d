//! The path to readers of the live stream at other engines on the same store: what happens here waits in a bounded
//! queue until it is sent to them. While nobody reads there, nothing is queued.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicBool, Ordering},
};

use parking_lot::Mutex;
use tokio::sync::{Notify, futures::Notified};

use crate::activity::{ACTIVITY_BUFFER, Activity};

/// The readers at other engines.
#[derive(Default)]
pub(crate) struct Elsewhere {
    is_there: AtomicBool,
    waiting: Mutex<Waiting>,
    /// Signalled when something waits.
    rung: Notify,
    /// Signalled when somebody begins to read here.
    came: Notify,
}

/// Activities that wait to be sent.
#[derive(Default)]
pub(crate) struct Waiting {
    /// How many activities there were before these, including those that were left out.
    pub(crate) before: u64,
    pub(crate) activities: VecDeque<Activity>,
}

impl Elsewhere {
    pub(crate) fn is_there(&self) -> bool {
        self.is_there.load(Ordering::Acquire)
    }

    /// Sets whether anybody reads there; if nobody does, waiting activities are dropped.
    pub(crate) fn set(&self, is_there: bool) {
        self.is_there.store(is_there, Ordering::Release);
        if !is_there {
            self.take();
        }
    }

    /// If more would wait than may, the oldest are left out.
    pub(crate) fn push(&self, activity: Activity) {
        let mut waiting = self.waiting.lock();
        if waiting.activities.len() == ACTIVITY_BUFFER {
            waiting.activities.pop_front();
            waiting.before += 1;
        }
        waiting.activities.push_back(activity);
        drop(waiting);
        self.rung.notify_one();
    }

    /// Takes the waiting activities.
    pub(crate) fn take(&self) -> Waiting {
        let mut waiting = self.waiting.lock();
        let activities = std::mem::take(&mut waiting.activities);
        let before = waiting.before;
        waiting.before += activities.len() as u64;
        Waiting { before, activities }
    }

    pub(crate) fn rung(&self) -> Notified<'_> {
        self.rung.notified()
    }

    /// Notes that somebody begins to read here.
    pub(crate) fn come(&self) {
        self.came.notify_one();
    }

    pub(crate) fn came(&self) -> Notified<'_> {
        self.came.notified()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_more_than_can_wait_the_newest_are_kept_and_all_are_counted() {
        let elsewhere = Elsewhere::default();
        for n in 0..ACTIVITY_BUFFER as u64 + 3 {
            elsewhere.push(Activity::missed(n));
        }
        let Waiting { before, activities } = elsewhere.take();
        assert_eq!((before, activities.len()), (3, ACTIVITY_BUFFER));
        elsewhere.push(Activity::missed(0));
        assert_eq!(elsewhere.take().before, ACTIVITY_BUFFER as u64 + 3);
    }
}

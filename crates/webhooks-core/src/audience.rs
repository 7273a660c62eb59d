//! The current readers of the live stream, here or at other engines on the same store.

#[cfg(feature = "postgres")]
use std::sync::Arc;

use tokio::sync::broadcast;

use crate::activity::{ACTIVITY_BUFFER, Activity, ActivityStream};
#[cfg(feature = "postgres")]
use crate::elsewhere::Elsewhere;

/// The current readers of the live stream.
#[derive(Clone)]
pub(crate) struct Audience {
    here: broadcast::Sender<Activity>,
    /// The readers at other engines.
    #[cfg(feature = "postgres")]
    pub(crate) elsewhere: Arc<Elsewhere>,
}

impl Default for Audience {
    fn default() -> Self {
        Self {
            here: broadcast::channel(ACTIVITY_BUFFER).0,
            #[cfg(feature = "postgres")]
            elsewhere: Arc::default(),
        }
    }
}

impl Audience {
    pub(crate) fn subscribe(&self) -> ActivityStream {
        let stream = ActivityStream::of(self.here.subscribe());
        #[cfg(feature = "postgres")]
        self.elsewhere.come();
        stream
    }

    /// Whether anyone would read an activity: creating one costs allocations.
    pub(crate) fn is_there(&self) -> bool {
        #[cfg(feature = "postgres")]
        if self.elsewhere.is_there() {
            return true;
        }
        self.is_here()
    }

    /// Whether anyone is reading at this engine.
    pub(crate) fn is_here(&self) -> bool {
        self.here.receiver_count() > 0
    }

    /// Reports what happened at this engine.
    pub(crate) fn tell(&self, activity: Activity) {
        #[cfg(feature = "postgres")]
        if self.elsewhere.is_there() {
            self.elsewhere.push(activity.clone());
        }
        self.tell_here(activity);
    }

    /// Reports to the readers here what happened at any engine.
    pub(crate) fn tell_here(&self, activity: Activity) {
        // Having no reader any more is fine.
        let _ = self.here.send(activity);
    }
}

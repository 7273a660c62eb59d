//! Until when an engine may send what it holds: where others can take it over, no longer than it is
//! sure that they have not.

use std::time::Duration;

use parking_lot::Mutex;

use crate::crash_point;

/// Until when an engine may send what it holds.
pub(crate) struct Lease {
    /// `None`: for as long as it runs.
    until: Option<Mutex<Duration>>,
}

impl Lease {
    /// Nobody else can take anything over.
    #[cfg(feature = "sqlite")]
    pub(crate) fn endless() -> Self {
        Self { until: None }
    }

    /// To be renewed again and again.
    #[cfg(feature = "postgres")]
    pub(crate) fn ending() -> Self {
        Self {
            until: Some(Mutex::new(Duration::ZERO)),
        }
    }

    pub(crate) fn holds(&self) -> bool {
        self.until
            .as_ref()
            .is_none_or(|until| since_start() < *until.lock() || crash_point::is_unfenced())
    }

    #[cfg(feature = "postgres")]
    /// It holds for `span` from `began` on, which [`since_start`] told.
    pub(super) fn renew(&self, began: Duration, span: Duration) {
        if let Some(until) = &self.until {
            *until.lock() = began.saturating_add(span);
        }
    }

    #[cfg(feature = "postgres")]
    pub(super) fn end(&self) {
        if let Some(until) = &self.until {
            *until.lock() = Duration::ZERO;
        }
    }
}

/// Time on a clock that goes on while the machine is suspended, where there is one: others' leases do
/// not wait for it.
pub(super) fn since_start() -> Duration {
    #[cfg(target_os = "linux")]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(
            time.tv_sec.unsigned_abs(),
            u32::try_from(time.tv_nsec).unwrap_or_default(),
        )
    }
    #[cfg(not(target_os = "linux"))]
    {
        static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        // Above zero, which is a lease that has ended.
        START.get_or_init(std::time::Instant::now).elapsed() + Duration::from_secs(1)
    }
}

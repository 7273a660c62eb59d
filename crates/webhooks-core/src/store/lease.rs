//! Until when an engine may send what it holds: if others can take it over, only while it is certain that
//! they have not. A node that was taken for dead and joins again has a new lease: what it held before is no
//! longer its own.

use std::time::Duration;

use parking_lot::Mutex;

use super::claim::holder_of;
use crate::crash_point;

/// Until when an engine may send what it holds.
pub(crate) struct Lease {
    /// `None`: for as long as it runs.
    term: Option<Mutex<Term>>,
}

/// The term of a lease that can end.
struct Term {
    /// The holder whose deliveries may be sent.
    holder: i64,
    /// `None`: it has ended, and cannot be renewed.
    until: Option<Duration>,
}

impl Lease {
    /// Nobody else can take anything over.
    #[cfg(feature = "sqlite")]
    pub(crate) fn endless() -> Self {
        Self { term: None }
    }

    /// A lease that is yet to begin, and must be renewed again and again.
    #[cfg(feature = "postgres")]
    pub(crate) fn ending() -> Self {
        let term = Term {
            holder: 0,
            until: None,
        };
        Self {
            term: Some(Mutex::new(term)),
        }
    }

    /// Whether a delivery with this claim may be sent now.
    pub(crate) fn holds(&self, claim: i64) -> bool {
        self.term.as_ref().is_none_or(|term| {
            let term = term.lock();
            let is_holders = term.holder == holder_of(claim);
            is_holders && term.until.is_some_and(|until| since_start() < until)
                || crash_point::is_unfenced()
        })
    }

    #[cfg(feature = "postgres")]
    /// Deliveries claimed by `holder` may be sent for `span` from `began`, a time of [`since_start`]; those
    /// claimed by others may not.
    pub(super) fn begin(&self, holder: i64, began: Duration, span: Duration) {
        if let Some(term) = &self.term {
            *term.lock() = Term {
                holder,
                until: Some(began.saturating_add(span)),
            };
        }
    }

    #[cfg(feature = "postgres")]
    /// Extends it for `span` from `began`, unless it was ended.
    pub(super) fn renew(&self, began: Duration, span: Duration) {
        if let Some(term) = &self.term
            && let Some(until) = &mut term.lock().until
        {
            *until = began.saturating_add(span);
        }
    }

    #[cfg(feature = "postgres")]
    /// Ends it until another begins.
    pub(super) fn end(&self) {
        if let Some(term) = &self.term {
            term.lock().until = None;
        }
    }
}

/// Time on a clock that keeps running while the machine is suspended, where there is one: other engines'
/// leases do not wait for this machine.
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

#[cfg(all(test, feature = "postgres"))]
mod tests {
    use super::*;
    use crate::store::claim::before_first_of;

    const SPAN: Duration = Duration::from_secs(3_600);

    fn claim_of(holder: i64) -> i64 {
        before_first_of(holder) + 1
    }

    #[test]
    fn a_lease_holds_for_what_its_holder_claimed_and_for_nothing_of_who_it_was_before() {
        let lease = Lease::ending();
        assert!(!lease.holds(claim_of(0)));
        lease.begin(1, since_start(), SPAN);
        assert!(lease.holds(claim_of(1)));
        assert!(lease.holds(before_first_of(2) - 1));
        assert!(!lease.holds(claim_of(2)));
        lease.begin(2, since_start(), SPAN);
        assert!(!lease.holds(claim_of(1)));
        assert!(lease.holds(claim_of(2)));
    }

    #[test]
    fn a_lease_that_was_ended_is_not_renewed_by_a_beat_that_was_under_way() {
        let lease = Lease::ending();
        lease.begin(1, since_start(), SPAN);
        lease.end();
        lease.renew(since_start(), SPAN);
        assert!(!lease.holds(claim_of(1)));
        lease.begin(2, since_start(), SPAN);
        assert!(lease.holds(claim_of(2)));
    }

    #[test]
    fn a_lease_ends_when_it_is_not_renewed() {
        let lease = Lease::ending();
        lease.begin(1, since_start(), Duration::ZERO);
        assert!(!lease.holds(claim_of(1)));
        lease.renew(since_start(), SPAN);
        assert!(lease.holds(claim_of(1)));
    }
}

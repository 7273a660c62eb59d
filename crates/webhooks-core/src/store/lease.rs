//! Until when an engine may send what it holds: where others can take it over, no longer than it is
//! sure that they have not. A node that was taken for dead and joins anew has another lease: what it held
//! before is not its own any more.

use std::time::Duration;

use parking_lot::Mutex;

use super::claim::holder_of;
use crate::crash_point;

/// Until when an engine may send what it holds.
pub(crate) struct Lease {
    /// `None`: for as long as it runs.
    term: Option<Mutex<Term>>,
}

/// Of a lease that can end.
struct Term {
    /// Who holds what may be sent.
    holder: i64,
    /// `None`: it has ended, and is renewed no more.
    until: Option<Duration>,
}

impl Lease {
    /// Nobody else can take anything over.
    #[cfg(feature = "sqlite")]
    pub(crate) fn endless() -> Self {
        Self { term: None }
    }

    /// To be begun, and renewed again and again.
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

    /// Whether what was claimed so may be sent now.
    pub(crate) fn holds(&self, claim: i64) -> bool {
        self.term.as_ref().is_none_or(|term| {
            let term = term.lock();
            let is_holders = term.holder == holder_of(claim);
            is_holders && term.until.is_some_and(|until| since_start() < until)
                || crash_point::is_unfenced()
        })
    }

    #[cfg(feature = "postgres")]
    /// What `holder` claims may be sent for `span` from `began` on, which [`since_start`] told; what others
    /// had claimed may not.
    pub(super) fn begin(&self, holder: i64, began: Duration, span: Duration) {
        if let Some(term) = &self.term {
            *term.lock() = Term {
                holder,
                until: Some(began.saturating_add(span)),
            };
        }
    }

    #[cfg(feature = "postgres")]
    /// It goes on for `span` from `began` on, unless it was ended.
    pub(super) fn renew(&self, began: Duration, span: Duration) {
        if let Some(term) = &self.term
            && let Some(until) = &mut term.lock().until
        {
            *until = began.saturating_add(span);
        }
    }

    #[cfg(feature = "postgres")]
    /// Until another begins.
    pub(super) fn end(&self) {
        if let Some(term) = &self.term {
            term.lock().until = None;
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

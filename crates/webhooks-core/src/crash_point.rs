//! Named points at which a test can have the process killed, and the one check that a test can disable to see that
//! something breaks. Without the feature `crash-points` they compile to nothing.

/// The environment variable that names a point and the visit at which to stop there: `after_commit:3`.
#[cfg(feature = "crash-points")]
const VARIABLE: &str = "WEBHOOKS_CRASH_POINT";

/// Stops here forever if this is the point that the environment names: the parent, notified by a line on standard
/// output, kills the process.
#[cfg(feature = "crash-points")]
pub(crate) fn reach(place: &'static str) {
    use std::sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    };
    static WANTED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static VISITS: AtomicU64 = AtomicU64::new(0);
    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var(VARIABLE).ok()?;
        let (place, visits) = text.split_once(':')?;
        Some((place.to_owned(), visits.parse().ok()?))
    });
    let Some((wanted, visits)) = wanted else {
        return;
    };
    if wanted == place && VISITS.fetch_add(1, Ordering::SeqCst) + 1 >= *visits {
        tell(place);
        loop {
            std::thread::park();
        }
    }
}

#[cfg(feature = "crash-points")]
#[allow(clippy::print_stdout)] // The parent reads it.
fn tell(place: &str) {
    println!("reached {place}");
}

#[cfg(not(feature = "crash-points"))]
#[inline]
pub(crate) fn reach(_place: &'static str) {}

/// Whether an engine carries on after it was declared dead: only in a test that shows why it must not.
#[cfg(feature = "crash-points")]
pub(crate) fn is_unfenced() -> bool {
    static UNFENCED: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *UNFENCED.get_or_init(|| std::env::var_os("WEBHOOKS_CRASH_UNFENCED").is_some())
}

#[cfg(not(feature = "crash-points"))]
#[inline]
pub(crate) fn is_unfenced() -> bool {
    false
}

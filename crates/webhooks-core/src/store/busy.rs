//! Calls that came to nothing because another transaction came first: they are made again, for a while.
//!
//! Transactions lock what they can foresee in one order, and wait for anything else no longer than a
//! moment. What is left, and what other programs do in the database, can still make two wait for each
//! other: the database ends one of them, with all that its batch held. Nothing of it is stored then, so
//! that each call can be made once more.

use std::time::{Duration, Instant};

use rand::RngExt;

use super::{delivery_error::DeliveryError, endpoint_error::EndpointError, error::StoreError};
use crate::send::SendError;

/// For how long a call is made again: as long as a lock is waited for.
const REPEAT_LIMIT: Duration = Duration::from_secs(2);
/// The first pause, which doubles up to the last. Each is shortened by up to a half, by chance: two that
/// met must not meet again.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(200);

/// What can say that another transaction came first.
pub(crate) trait MaybeBusy {
    fn is_busy(&self) -> bool;
}

impl MaybeBusy for StoreError {
    fn is_busy(&self) -> bool {
        matches!(self, Self::Busy)
    }
}

impl MaybeBusy for SendError {
    fn is_busy(&self) -> bool {
        match self {
            Self::Busy(_) => true,
            Self::Store(error) => error.is_busy(),
            _ => false,
        }
    }
}

impl MaybeBusy for EndpointError {
    fn is_busy(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_busy())
    }
}

impl MaybeBusy for DeliveryError {
    fn is_busy(&self) -> bool {
        matches!(self, Self::Endpoint(error) if error.is_busy())
    }
}

/// Makes a call, again and again while another transaction comes first.
pub(crate) async fn while_busy<T, E: MaybeBusy, F>(call: impl Fn() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let until = Instant::now() + REPEAT_LIMIT;
    let mut pause = PAUSE_MIN;
    loop {
        let done = call().await;
        let is_busy = done.as_ref().is_err_and(MaybeBusy::is_busy);
        if !is_busy || Instant::now() >= until {
            return done;
        }
        let share = rand::rng().random_range(0.5..1.0);
        tokio::time::sleep(pause.mul_f64(share)).await;
        pause = PAUSE_MAX.min(2 * pause);
    }
}

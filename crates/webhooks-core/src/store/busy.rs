//! Calls that failed because another transaction was in the way are retried for a while.
//!
//! Transactions lock what they can foresee in one fixed order, and wait only a moment for anything else.
//! The locks that they cannot foresee, and those of other programs in the database, can still cause a
//! deadlock: the database then ends one transaction, with everything in its batch. Nothing of it is
//! stored, so each call can be made again.

use std::time::{Duration, Instant};

use rand::RngExt;

use super::{delivery_error::DeliveryError, endpoint_error::EndpointError, error::StoreError};
use crate::send::SendError;

/// For how long a call is retried: as long as the engine waits for a lock.
const REPEAT_LIMIT: Duration = Duration::from_secs(2);
/// The first pause, which doubles up to the longest. Each is shortened at random by up to a half, so that two
/// calls that collided do not collide again.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(200);

/// An error that can mean that another transaction was in the way.
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

/// Makes a call, and retries it while another transaction is in the way.
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

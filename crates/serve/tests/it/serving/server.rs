//! A server to test, and a bound on every wait.

use std::{future::Future, net::SocketAddr, time::Duration};

use axum::Router;
use serve::Limits;
use tokio::{sync::oneshot, task::JoinHandle};

/// Far above anything that happens here: reaching it means that something hangs.
const DEADLINE: Duration = Duration::from_secs(30);

/// A limit that a test waits for.
pub(crate) const SHORT: Duration = Duration::from_millis(150);

/// A limit that no test should reach.
pub(crate) const LONG: Duration = Duration::from_secs(300);

/// Limits that stay out of the way; a test shortens the one it is about.
pub(crate) fn patient() -> Limits {
    Limits {
        header_time: LONG,
        body_time: LONG,
        stall_time: LONG,
        grace: LONG,
        ..Limits::default()
    }
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("hangs")
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(router: Router, limits: Limits) -> Self {
        let listener = serve::bind(serve::Host::default(), 0, "PORT")
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(serve::serve(listener, router, limits, async {
            let _ = stopped.await;
        }));
        Self {
            address,
            stop: Some(stop),
            served,
        }
    }

    /// Asks it to stop, like SIGTERM does.
    pub(crate) fn ask_to_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until it has stopped.
    pub(crate) async fn stopped(self) {
        within(self.served).await.unwrap();
    }
}

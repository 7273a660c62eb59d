//! Starts and stops polis: the listener that captures, and the second one with the API and page.

use std::{net::SocketAddr, sync::Arc};

use axum::Router;
use tokio::{net::TcpListener, sync::watch};
use tower_http::compression::CompressionLayer;

use crate::{
    api::{self, shared::Shared},
    capture,
    config::Settings,
    page,
    polis::{Polis, StartError},
    scope::DEFAULT,
};

/// A running polis; it stops when this is dropped or [`Running::stop`] is called.
#[derive(Debug)]
pub struct Running {
    pub(crate) polis: Arc<Polis>,
    capture: SocketAddr,
    page: SocketAddr,
    stop: watch::Sender<bool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

/// Binds both listeners and starts to capture.
///
/// # Errors
/// [`StartError`] names the port that is taken and the variable that changes it.
pub async fn start(settings: Settings) -> Result<Running, StartError> {
    let listener = serve::bind(settings.host, settings.port, "PORT").await?;
    let page_listener =
        serve::bind(serve::Host::default(), settings.page_port(), "UI_PORT").await?;
    let capture = listener.local_addr()?;
    let page = page_listener.local_addr()?;
    let frame_origin = settings.frame_origin.clone();
    let polis = Arc::new(Polis::new(settings)?);
    polis.captures_at(capture);
    let (stop, stopping) = watch::channel(false);
    let page_router = serve::framed(app(Arc::clone(&polis), stopping.clone()), frame_origin);
    let tasks = vec![
        tokio::spawn(capture::run(listener, Arc::clone(&polis), stopping.clone())),
        tokio::spawn(serve_page(page_listener, page_router, stopping)),
    ];
    Ok(Running {
        polis,
        capture,
        page,
        stop,
        tasks,
    })
}

/// The router of the second listener.
fn app(polis: Arc<Polis>, stop: watch::Receiver<bool>) -> Router {
    let router = api::routes()
        .merge(page::routes())
        .layer(CompressionLayer::new())
        .with_state(Shared { polis, stop });
    // No other names: the page is for this machine, whatever a name resolves to.
    let names: [&str; 0] = [];
    serve::protect(serve::same_origin(router, names))
}

async fn serve_page(listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) {
    let limits = serve::Limits {
        // Together with those of the capture listener, they stay below the usual 1,024 open files.
        connections: api::CONNECTIONS,
        body_bytes: api::BODY_BYTES,
        ..serve::Limits::default()
    };
    serve::serve(listener, router, limits, async move {
        // An error means that the sender is gone, which also stops it.
        let _ = stop.wait_for(|stop| *stop).await;
    })
    .await;
}

impl Running {
    /// Where requests are captured.
    #[must_use]
    pub fn capture_address(&self) -> SocketAddr {
        self.capture
    }

    /// Where senders reach the default scope.
    #[must_use]
    pub fn capture_url(&self) -> String {
        self.polis.scope_url(DEFAULT)
    }

    /// Where the page and the API are.
    #[must_use]
    pub fn page_address(&self) -> SocketAddr {
        self.page
    }

    /// Stops accepting, lets requests in flight finish, and writes what is still unwritten.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        for task in self.tasks.drain(..) {
            if let Err(error) = task.await {
                tracing::error!(%error, "a listener ended badly");
            }
        }
        self.polis.finish().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

//! What the relay serves: two routers.

use axum::Router;

use crate::{page, perform, receive, relay::Relay, route};

impl Relay {
    /// Where webhooks arrive: a route for each source.
    pub fn sources(&self) -> Router {
        receive::routes(self)
    }

    /// The page, and the routes that the engine calls. Serve it on a loopback address only.
    pub fn page(&self) -> Router {
        let engine = Router::new()
            .merge(route::routes())
            .merge(perform::routes())
            .with_state(self.clone());
        serve::same_origin(page::routes(self).merge(engine), [] as [&str; 0])
    }
}

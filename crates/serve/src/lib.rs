//! One hardened way to serve an axum router, shared by every app of this workspace.
//!
//! It owns what axum's plain `serve` leaves open: time limits, size limits, a limit on
//! connections, a graceful stop; and what every page and API needs alike: security headers,
//! request ids, panics that answer 500, the check against cross-site forms. It refuses to know
//! anything of webhooks.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use axum::{Router, routing::get};
//!
//! serve::logs("info")?;
//! let listener = serve::bind(serve::Host::default(), 8080, "PORT").await?;
//! let router = serve::protect(Router::new().route("/", get(|| async { "hello" })));
//! let stop = async {
//!     if let Err(error) = serve::stop_signal().await {
//!         tracing::error!(%error, "stopping: signals cannot be caught");
//!     }
//! };
//! serve::serve(listener, router, serve::Limits::default(), stop).await;
//! # Ok(()) }
//! ```

mod address;
mod body;
mod client_stream;
mod color;
mod frame;
mod host;
mod limits;
mod logs;
mod masked;
mod narration;
mod numbered;
mod origin;
mod pages;
mod protect;
mod server;
mod shared_assets;
mod signal;

pub use address::{BindError, bind};
pub use color::wants_color;
pub use frame::{FrameOrigin, FrameOriginError, framed};
pub use host::{Host, HostError, IgnoredHost};
pub use limits::Limits;
pub use logs::{LogsError, logs};
pub use masked::Masked;
pub use narration::narrate;
pub use numbered::numbered;
pub use origin::{CrossSite, check_same_origin, same_origin};
pub use pages::{PAGES_VARIABLE, PageLink, Pages, PagesError};
pub use protect::protect;
pub use server::serve;
pub use shared_assets::shared_assets;
pub use signal::stop_signal;

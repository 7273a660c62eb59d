//! One hardened way to serve an axum router, shared by every app of this workspace.
//!
//! It owns what axum's plain `serve` leaves open: time limits, size limits, a limit on connections
//! and a graceful shutdown. It owns what every page and API needs: security headers, request ids,
//! panics that answer 500 and the check against cross-site forms. And it owns how every program
//! starts: how it reads all its settings, its log and its exit code. A program that has to see its
//! requests byte for byte uses [`accept`] and [`wire`] instead. This crate knows nothing about
//! webhooks.
//!
//! ```no_run
//! use axum::{Router, routing::get};
//!
//! fn main() -> std::process::ExitCode {
//!     serve::run("hello", |variables| Some((variables.host(), variables.port(8080))), hello)
//! }
//!
//! async fn hello((host, port): (serve::Host, u16)) -> Result<(), serve::BindError> {
//!     let listener = serve::bind(host, port, "PORT").await?;
//!     let router = serve::protect(Router::new().route("/", get(|| async { "hello" })));
//!     serve::serve(listener, router, serve::Limits::default(), serve::stop_requested()).await;
//!     Ok(())
//! }
//! ```

mod accept;
mod address;
mod assets;
mod body;
mod client_stream;
mod color;
mod dot_env;
mod event_stream;
mod frame;
mod host;
mod layers;
mod licences;
mod limits;
mod logs;
mod masked;
mod narration;
mod numbered;
mod origin;
mod pages;
mod program;
mod protect;
mod server;
mod signal;
mod surroundings;
mod variables;
pub mod wire;

pub use accept::accept;
pub use address::{BindError, bind};
pub use assets::Assets;
pub use color::wants_color;
pub use dot_env::DotEnvError;
pub use event_stream::{EventStream, EventTooLong, StreamEvent};
pub use frame::{FrameOrigin, FrameOriginError, framed};
pub use host::{Host, HostError, IgnoredHost};
pub use layers::{Faults, Layers, size};
pub use licences::print_licences_if_asked;
pub use limits::Limits;
pub use logs::{LogsError, logs};
pub use masked::Masked;
pub use narration::narrate;
pub use numbered::numbered;
pub use origin::{CrossSite, check_same_origin, same_origin};
pub use pages::{PAGES_VARIABLE, PageLink, Pages, PagesError};
pub use program::{WRONG_SETTINGS, complain, run};
pub use protect::protect;
pub use server::serve;
pub use signal::{stop_requested, stop_signal};
pub use surroundings::{Given, Surroundings};
pub use variables::{SettingsError, Variables};

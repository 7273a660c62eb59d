//! One hardened way to serve an axum router, shared by every app of this workspace.
//!
//! It owns what axum's plain `serve` leaves open: time limits, size limits, a limit on
//! connections, a graceful stop. It refuses to know anything of webhooks.

mod address;
mod server;
mod signal;
mod stylesheet;

pub use address::{BindError, bind};
pub use server::{Limits, serve};
pub use signal::stop_signal;
pub use stylesheet::stylesheet;

//! relay: turns verified webhooks into something useful, by rules in a file.
//!
//! The README lists every key of the file and what is promised. As a library: [`Config`] reads the
//! file and reports everything that is wrong with it, [`preview`] shows what a rule would do, and
//! [`Relay`] is the running program, as two routers to serve.

mod action;
mod app;
mod config;
mod endpoints;
mod ledger;
mod open_error;
mod page;
mod perform;
mod preview;
mod reading;
mod receive;
mod relay;
mod route;
mod rule;
mod source;
mod template;
mod values;

pub use config::Config;
pub use open_error::OpenError;
pub use preview::{Trial, TrialError, preview};
pub use reading::{ConfigError, Fault};
pub use relay::Relay;

//! The endpoint you debug webhooks with: one binary, no account, exact bytes, tells you why.
//!
//! `polis` captures every request on one listener and shows it on a second one that never
//! leaves this machine. [`Listener`] is the same for tests in Rust; [`start`] runs all of it
//! inside another program.
//!
//! Where to look: [`wire`] reads HTTP byte for byte; `capture` is the first listener;
//! [`answer`] decides what is answered; [`diagnosis`] explains signatures; `store` keeps what
//! came; [`api`] and `page` are the second listener; [`cli`] is the command line.

pub mod answer;
pub mod api;
mod capture;
mod certificate;
pub mod cli;
pub mod config;
pub mod content;
pub mod curl;
pub mod delivery;
mod destination;
pub mod diagnosis;
mod difference;
mod edit;
mod forward;
pub mod har;
mod import;
pub mod json_text;
mod listener;
mod outbound;
mod page;
mod polis;
pub mod record;
pub mod redact;
mod rediagnosis;
mod resend;
pub mod scope;
mod scope_path;
mod sent_again;
mod snippet;
pub mod store;
pub mod terminal;
pub mod wire;

pub use listener::{Listener, TooFew};
pub use polis::{Running, StartError, start};
pub use record::Record;

//! The endpoint you debug webhooks with: one binary, no account, exact bytes, and the reason why.
//!
//! `polis` captures every request on one listener and shows it on a second one that never
//! leaves this machine. [`Listener`] is the same for tests in Rust; [`start`] runs all of it
//! inside another program.
//!
//! Where to find things: `capture` is the first listener, on `serve::wire`, which reads HTTP byte for byte;
//! `answer` decides what is answered; `diagnosis` explains signatures; `store` keeps what
//! came; `api` and `page` are the second listener; `cli` is the command line.

mod answer;
mod api;
mod capture;
mod captured;
mod certificate;
mod cli;
mod config;
mod content;
mod curl;
mod delivery;
mod destination;
mod diagnosis;
mod difference;
mod edit;
mod event_payload;
mod forward;
mod har;
mod import;
mod json_text;
mod listener;
mod outbound;
mod page;
mod polis;
mod recall;
mod record;
mod redact;
mod rediagnosis;
mod resend;
mod running;
mod scope;
mod scope_path;
mod sent_again;
mod store;
mod terminal;

pub use answer::{NumberOrText, RuleSpec, Rules, SequenceFault};
pub use cli::main;
pub use config::{Flags, Settings};
pub use content::Content;
pub use delivery::Delivery;
pub use diagnosis::{
    Diagnosis, Finding, FindingKind, Preset, SecretFault, SignError, SigningSecret, ToSign,
    Verdict, Verification, diagnose, sign,
};
pub use listener::{Listener, TooFew};
pub use polis::StartError;
pub use record::{Answer, Forwarded, Record};
pub use running::{Running, start};
pub use scope::ScopeSettings;
pub use serve::{
    SettingsError, Surroundings,
    wire::{Head, Version},
};
pub use store::{Keep, StoreError};
pub use terminal::Output;

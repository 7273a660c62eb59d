//! polis through its public face: real sockets, real answers.
#![allow(
    clippy::unwrap_used,
    reason = "a helper that fails has failed its test"
)]

mod agreement;
mod answers;
mod api;
mod captures;
mod changed_bodies;
mod diagnosis;
mod example;
mod forwards;
mod keeps;
mod old_file;
mod program;
mod replays;
mod scopes;
mod settings;
mod wire;

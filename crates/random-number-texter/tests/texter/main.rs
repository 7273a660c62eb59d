//! The texter by its public API, against a Twilio that is told how to answer.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod downtime;
mod journey;
mod limit;
mod old_file;
mod once;
mod page;
mod program;
mod rig;
mod signature;
mod status;
mod twilio;
mod webhook;

//! The texter by its public API, against a Twilio with scripted answers.

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

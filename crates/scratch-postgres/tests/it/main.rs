//! Servers that start, fail, follow and end.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod cluster;
mod database;
mod killed;
mod pooler;
mod replica;
mod run;

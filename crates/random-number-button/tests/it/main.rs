//! The button from outside: its page, its live stream, and what it sends.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod doubles;
mod guide;
mod opened;
mod page;
mod program;

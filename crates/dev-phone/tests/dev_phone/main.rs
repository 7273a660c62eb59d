//! The phone as programs, people and Twilio's own SDK use it.

// Clippy's own exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

mod callbacks;
mod connections;
mod desk;
mod keeping;
mod listing;
mod messages;
mod page;
mod refusals;
mod replies;
mod sdk;
mod start;

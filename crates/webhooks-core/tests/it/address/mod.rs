//! The guard against server-side request forgery, judged and dialled. Loopback traffic only.
#![cfg(feature = "testing")]

mod engine;
mod environment;
mod fuzz;
mod lookups;
pub(crate) mod name_server;
mod rebinding;
mod redirects;
mod sender;
mod sentinel;
mod table;

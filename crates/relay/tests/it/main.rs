//! The relay as its users meet it: a file, webhooks, and peers that receive.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod chat;
mod config;
mod database;
mod email;
mod fetch;
mod file;
mod install;
mod kill;
mod providers;
mod rig;
mod templates;
mod text;
mod use_cases;

//! The crate from outside: through its public API, over real sockets and files.
#![allow(clippy::unwrap_used)]

#[macro_use]
mod each_store;

mod abandoned_call;
mod address;
mod certificate;
mod customer_events;
mod directions;
mod disk;
mod examples;
mod examples_on_postgres;
mod existing_database;
mod file;
mod full_disk_log;
mod fuzz_address;
mod fuzz_receive;
mod invariants;
mod lane_race;
mod machine;
mod migration;
mod misbehaving_receiver;
mod official;
mod open_refusal;
mod operation;
mod outbox_table;
mod outgoing;
mod postgres;
mod private_file;
mod property;
mod public_api;
mod receive_extract;
mod receive_providers;
mod receive_replay;
mod receive_twilio;
mod receive_verifier;
mod rust_version;
mod secret;
mod signature;
mod simulation;
mod small_disk;
mod storage_errors;
mod store;
mod stored_offset;
mod transaction;
mod world;

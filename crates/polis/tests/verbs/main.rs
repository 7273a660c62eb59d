//! The verbs of the command line: the real binary against a polis in this process, and what it
//! signs against the providers' own libraries.
#![allow(clippy::unwrap_used)]

mod acts;
mod certificates;
mod changes;
mod diffs;
mod engine;
mod finds;
mod packages;
mod providers;
mod reads;
mod replays;
mod run;
mod signs;
mod unsigned;

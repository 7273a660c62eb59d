//! Talks on disk, the pages that come of them, and what is said of those that are wrong.
#![allow(clippy::unwrap_used)]

mod follows;
mod package;
mod page;
mod talk;
mod wrong;

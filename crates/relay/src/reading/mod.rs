//! Reads the file, table by table and key by key, and reports what is wrong in it.

mod fault;
mod section;

pub(crate) use fault::suggestion;
pub use fault::{ConfigError, Fault};
pub(crate) use section::{File, Section, Text, Variables};

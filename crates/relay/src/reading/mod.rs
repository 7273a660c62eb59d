//! Reading the file: its tables key by key, and what is wrong in it.

mod fault;
mod section;

pub(crate) use fault::suggestion;
pub use fault::{ConfigError, Fault};
pub(crate) use section::{File, Section, Text, Variables};

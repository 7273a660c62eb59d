//! The settings that polis is started with: flags override variables, which override `.env`, which
//! overrides `polis.toml`.
//!
//! Everything that is wrong is reported at once, each with the name of the place where it was set.

mod file;
mod flags;
mod ports;
mod scopes;
mod secrets;
mod settings;
mod verification;

pub(crate) use file::EXAMPLE;
pub use flags::Flags;
pub(crate) use ports::Ports;
pub(crate) use secrets::Secrets;
pub use settings::Settings;

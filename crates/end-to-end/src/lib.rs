//! The whole chain as a person experiences it: real programs, a real browser.
//!
//! The basis of this crate's tests: [`Chain`] starts phone, texter, polis and button as their own
//! processes on free ports, [`Demo`] is `scripts/demo`, [`Browser`] drives Chromium, and [`until`]
//! waits for a condition within a limit. Nothing here looks inside a program.

mod browser;
mod chain;
mod demo;
mod phone;
mod port;
mod program;
mod script;
mod waiting;

pub use browser::{Browser, Window};
pub use chain::{Chain, Journey};
pub use demo::Demo;
pub use phone::Phone;
pub use port::free_ports;
pub use program::{Program, program_path};
pub use script::Script;
pub use waiting::{PATIENCE, until};

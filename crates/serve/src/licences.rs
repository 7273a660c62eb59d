//! The licences of everything that the programs contain.

use std::io::{self, Write};

/// Generated from the dependencies by `tests/licences.rs`, which fails when it is out of date.
const LICENCES: &str = include_str!("../licences.txt");

/// When the first argument is `--licences`, prints the licences of everything that the programs
/// contain, and returns true.
#[must_use]
pub fn print_licences_if_asked() -> bool {
    let is_asked = std::env::args_os()
        .nth(1)
        .is_some_and(|first| first == "--licences");
    if is_asked {
        // The reader may stop before the end, as `less` does.
        let _ = io::stdout().write_all(LICENCES.as_bytes());
    }
    is_asked
}

//! Whether output is coloured.

/// Whether output should be coloured, given whether it goes to a terminal: never with `NO_COLOR`,
/// and through a pipe only with `CLICOLOR_FORCE`.
#[must_use]
pub fn wants_color(is_terminal: bool) -> bool {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let forced = set("CLICOLOR_FORCE").is_some_and(|value| value != "0");
    set("NO_COLOR").is_none() && (is_terminal || forced)
}

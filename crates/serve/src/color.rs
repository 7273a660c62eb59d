//! Whether there are colours.

/// Whether what is written to a terminal, or not to one, should be coloured: not with `NO_COLOR`,
/// and through a pipe only with `CLICOLOR_FORCE`.
#[must_use]
pub fn wants_color(is_terminal: bool) -> bool {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let forced = set("CLICOLOR_FORCE").is_some_and(|value| value != "0");
    set("NO_COLOR").is_none() && (is_terminal || forced)
}

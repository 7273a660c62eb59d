//! The path of a scope, `/in/<name>/`.

/// A scope's name.
const NAME_BYTES: usize = 64;

/// Whether a text can name a scope: letters, digits, `-` and `_`.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// The scope's name in a path `/in/<name>/…`, and the path within the scope.
pub(crate) fn split(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix("/in/")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (name, within) = rest.split_at(end);
    is_name(name).then_some((name, within))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_its_scope() {
        assert_eq!(split("/in/acme/a/b?c"), Some(("acme", "/a/b?c")));
        assert_eq!(split("/in/acme"), Some(("acme", "")));
        assert_eq!(split("/in/acme?x=1"), Some(("acme", "?x=1")));
        for path in ["/", "/in/", "/in//a", "/in/a%20b/", "/inn/a", "/in/ü/"] {
            assert_eq!(split(path), None, "{path}");
        }
    }
}

//! Lists in variables: one item per variable, so that an item may contain any character.
//!
//! A list in one variable needs a separator, and every separator occurs in some secret or URL.

/// The highest number of a variable in a list: more items belong in a file.
const LIST_MAX: u32 = 99;

/// The values that `get` finds under `name`, `name_1`, `name_2` … `name_99`, in this order; numbers
/// may be skipped.
///
/// ```
/// let get = |name: &str| match name {
///     "SECRETS" => Some("It's a Secret to Everybody"),
///     "SECRETS_2" => Some("a,b"),
///     _ => None,
/// };
/// assert_eq!(serve::numbered("SECRETS", get), ["It's a Secret to Everybody", "a,b"]);
/// ```
pub fn numbered<T>(name: &str, get: impl Fn(&str) -> Option<T>) -> Vec<T> {
    std::iter::once(name.to_owned())
        .chain((1..=LIST_MAX).map(|number| format!("{name}_{number}")))
        .filter_map(|name| get(&name))
        .collect()
}

//! Whose signature it is, among the providers that webhooks-core knows.

use serve::wire::Head;

pub use webhooks_core::scheme::Provider as Preset;

/// The preset whose signature header a request has.
#[must_use]
pub(crate) fn preset_of(head: &Head) -> Option<Preset> {
    Preset::of(|name| head.get(name).is_some())
}

/// Every preset's name, for people.
#[must_use]
pub(crate) fn preset_names() -> String {
    let names: Vec<&str> = Preset::all().map(Preset::name).collect();
    names.join(", ")
}

//! The scopes of `polis.toml`.

use std::collections::BTreeMap;

use serve::{Faults, Layers};

use super::{file::FileScope, verification::of_scope};
use crate::{
    answer::{RuleSpec, Rules},
    scope::{self, DEFAULT, SCOPES, ScopeSettings},
};

pub(super) fn scopes(
    layers: &Layers<'_>,
    written: BTreeMap<String, FileScope>,
    (faults, warnings): (&mut Faults, &mut Vec<String>),
) -> BTreeMap<String, ScopeSettings> {
    if written.len() > SCOPES {
        faults.add(format!(
            "{} has {} scopes; the limit is {SCOPES}",
            layers.file_name,
            written.len()
        ));
    }
    let mut scopes = BTreeMap::new();
    for (name, scope) in written {
        let place = format!("scopes.{name} in {}", layers.file_name);
        if name == DEFAULT || !scope::is_name(&name) {
            faults.add(format!(
                "{place}: a scope's name must have 1 to 64 letters, digits, - and _, and must not be default"
            ));
        }
        let settings = scope_settings(layers, scope, &place, (&mut *faults, &mut *warnings));
        scopes.insert(name, settings);
    }
    scopes
}

fn scope_settings(
    layers: &Layers<'_>,
    scope: FileScope,
    place: &str,
    (faults, warnings): (&mut Faults, &mut Vec<String>),
) -> ScopeSettings {
    let verification = of_scope(layers, &scope, place, (&mut *faults, warnings));
    let mut specs = scope.rules;
    let own = format!("rule {}: ", specs.len() + 1);
    specs.extend(scope.respond.map(|respond| RuleSpec {
        respond: Some(respond),
        ..RuleSpec::default()
    }));
    let rules = Rules::new(specs).unwrap_or_else(|found| {
        for fault in found {
            // To the author of the file, the scope's own answer is not a rule.
            let fault = fault.strip_prefix(&own).unwrap_or(&fault);
            faults.add(format!("{place}: {fault}"));
        }
        Rules::default()
    });
    if scope.capacity == Some(0) {
        faults.add(format!("{place}: capacity is 0; it must be 1 or more"));
    }
    ScopeSettings {
        rules,
        verification,
        capacity: scope.capacity,
    }
}

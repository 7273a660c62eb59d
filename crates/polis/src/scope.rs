//! Scopes: separate endpoints under `/in/<name>/`, each with its own rules and secrets.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use serve::wire::Head;

use crate::{
    answer::Rules,
    delivery::{Attempts, Counted},
    diagnosis::{Diagnosis, SigningSecret, Verification, diagnose},
};

pub(crate) use crate::scope_path::{is_name, split};

/// Maximum number of scopes, so that nobody can fill the memory by making up names.
pub(crate) const SCOPES: usize = 256;
/// The scope of everything outside `/in/`.
pub(crate) const DEFAULT: &str = "default";

/// Refuses a text that is not a scope's name.
///
/// # Errors
/// A sentence that says what a name must be like.
pub(crate) fn check(name: &str) -> Result<(), String> {
    match name == DEFAULT || is_name(name) {
        true => Ok(()),
        false => Err(format!(
            "scope is {name:?}; a scope's name must have 1 to 64 letters, digits, - and _"
        )),
    }
}

/// A scope's configuration.
#[derive(Debug, Default)]
pub struct ScopeSettings {
    /// How requests are answered.
    pub rules: Rules,
    /// How signatures are checked; `None` if they are not.
    pub verification: Option<Verification>,
    /// Maximum number of requests kept; `None` for only the store's own limit.
    pub capacity: Option<usize>,
}

/// One scope.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) name: Arc<str>,
    settings: RwLock<Arc<ScopeSettings>>,
    /// Incremented when the rules change, so that sequences start over.
    generation: AtomicU64,
    attempts: Mutex<Attempts>,
}

impl Scope {
    fn new(name: &str, settings: ScopeSettings) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            settings: RwLock::new(Arc::new(settings)),
            generation: AtomicU64::new(0),
            attempts: Mutex::new(Attempts::default()),
        })
    }

    pub(crate) fn settings(&self) -> Arc<ScopeSettings> {
        Arc::clone(&self.settings.read())
    }

    pub(crate) fn set(&self, settings: ScopeSettings) {
        *self.settings.write() = Arc::new(settings);
        self.begin_anew();
    }

    /// Replaces only the rules.
    pub(crate) fn set_rules(&self, rules: Rules) {
        let before = self.settings();
        self.set(ScopeSettings {
            rules,
            verification: before.verification.clone(),
            capacity: before.capacity,
        });
    }

    /// Replaces only the signature check.
    pub(crate) fn set_verification(&self, verification: Verification) {
        let before = self.settings();
        let rules = Rules::new(before.rules.specs()).unwrap_or_default();
        self.set(ScopeSettings {
            rules,
            verification: Some(verification),
            capacity: before.capacity,
        });
    }

    /// Sequences of statuses start over; counting of attempts continues.
    pub(crate) fn begin_anew(&self) {
        self.generation.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count(&self, head: &Head, body: &[u8], at: Timestamp) -> Counted {
        let generation = self.generation.load(Ordering::Relaxed);
        self.attempts.lock().count(head, body, at, generation)
    }
}

/// Every scope by its name.
#[derive(Debug)]
pub(crate) struct Scopes {
    default: Arc<Scope>,
    named: RwLock<BTreeMap<String, Arc<Scope>>>,
}

impl Scopes {
    pub(crate) fn new(default: ScopeSettings, named: BTreeMap<String, ScopeSettings>) -> Self {
        let named = named
            .into_iter()
            .map(|(name, settings)| (name.clone(), Scope::new(&name, settings)))
            .collect();
        Self {
            default: Scope::new(DEFAULT, default),
            named: RwLock::new(named),
        }
    }

    pub(crate) fn default_scope(&self) -> Arc<Scope> {
        Arc::clone(&self.default)
    }

    pub(crate) fn find(&self, name: &str) -> Option<Arc<Scope>> {
        if name == DEFAULT {
            return Some(self.default_scope());
        }
        self.named.read().get(name).cloned()
    }

    /// The scope of this name, created if there is room; `None` if there are already [`SCOPES`].
    pub(crate) fn find_or_add(&self, name: &str) -> Option<Arc<Scope>> {
        if let Some(scope) = self.find(name) {
            return Some(scope);
        }
        let mut named = self.named.write();
        if let Some(scope) = named.get(name) {
            return Some(Arc::clone(scope));
        }
        if named.len() >= SCOPES {
            return None;
        }
        let scope = Scope::new(name, ScopeSettings::default());
        named.insert(name.to_owned(), Arc::clone(&scope));
        Some(scope)
    }

    pub(crate) fn remove(&self, name: &str) {
        self.named.write().remove(name);
    }

    /// The default scope first, then the others by name.
    pub(crate) fn all(&self) -> Vec<Arc<Scope>> {
        let named = self.named.read();
        std::iter::once(self.default_scope())
            .chain(named.values().cloned())
            .collect()
    }

    /// Their names, in the same order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.all()
            .iter()
            .map(|scope| scope.name.to_string())
            .collect()
    }

    /// The result of the scope's check for a request; `None` if it has no check.
    pub(crate) fn diagnosis(
        &self,
        scope: &Scope,
        head: &Head,
        body: &[u8],
        at: Timestamp,
    ) -> Option<Diagnosis> {
        let settings = scope.settings();
        let verification = settings.verification.as_ref()?;
        let others = self.secrets_beside(&scope.name);
        Some(diagnose(verification, &others, head, body, at))
    }

    /// The secrets of all other scopes, with the names of their scopes.
    fn secrets_beside(&self, name: &str) -> Vec<(String, SigningSecret)> {
        self.all()
            .into_iter()
            .filter(|scope| &*scope.name != name)
            .flat_map(|scope| {
                let settings = scope.settings();
                let secrets = settings
                    .verification
                    .as_ref()
                    .map(|verification| verification.secrets.clone())
                    .unwrap_or_default();
                secrets
                    .into_iter()
                    .map(|secret| (scope.name.to_string(), secret))
                    .collect::<Vec<_>>()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_scopes_is_bounded() {
        let scopes = Scopes::new(ScopeSettings::default(), BTreeMap::new());
        for number in 0..SCOPES {
            assert!(scopes.find_or_add(&format!("s{number}")).is_some());
        }
        assert!(scopes.find_or_add("one-more").is_none());
        assert!(scopes.find_or_add("s0").is_some());
        scopes.remove("s0");
        assert!(scopes.find_or_add("one-more").is_some());
    }
}

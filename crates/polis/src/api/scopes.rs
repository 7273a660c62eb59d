//! Scopes, read, created and changed while polis runs.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use serde::{Deserialize, Serialize};

use super::{error::ApiError, shared::Shared};
use crate::{
    answer::{RuleSpec, Rules},
    diagnosis::{Preset, SigningSecret, Verification, preset_of},
    rediagnosis::diagnose_kept,
    scope::{self, DEFAULT, SCOPES, Scope, ScopeSettings},
};

/// A scope as it is written. What is absent stays as it is; an empty list or string removes it.
///
/// It has no `Debug`, because it carries secrets.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ScopeSpec {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rules: Option<Vec<RuleSpec>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) capacity: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) verify: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secrets: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) old_secrets: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) enforce: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) public_url: Option<String>,
}

/// A scope as it is shown.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ScopeShown {
    pub(crate) name: String,
    pub(crate) rules: Vec<RuleSpec>,
    pub(crate) capacity: Option<usize>,
    pub(crate) verify: Option<Preset>,
    pub(crate) secrets: usize,
    pub(crate) old_secrets: usize,
    pub(crate) enforce: bool,
    pub(crate) public_url: Option<String>,
    pub(crate) diagnosed: usize,
}

fn shown(scope: &Scope) -> ScopeShown {
    let settings = scope.settings();
    let verification = settings.verification.as_ref();
    ScopeShown {
        name: scope.name.to_string(),
        rules: settings.rules.specs(),
        capacity: settings.capacity,
        verify: verification.map(|verification| verification.preset),
        secrets: verification.map_or(0, |verification| verification.secrets.len()),
        old_secrets: verification.map_or(0, |verification| verification.old_secrets.len()),
        enforce: verification.is_some_and(|verification| verification.enforce),
        public_url: verification.and_then(|verification| verification.public_url.clone()),
        diagnosed: 0,
    }
}

pub(super) async fn list(State(shared): State<Shared>) -> Json<Vec<ScopeShown>> {
    let scopes = shared.polis.scopes.all();
    Json(scopes.iter().map(|scope| shown(scope)).collect())
}

pub(super) async fn one(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<ScopeShown>, ApiError> {
    scope::check(&name).map_err(ApiError::Query)?;
    let scope = shared.polis.scopes.find(&name);
    scope
        .map(|scope| Json(shown(&scope)))
        .ok_or(ApiError::NoScope(name))
}

pub(crate) async fn put(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Json(mut spec): Json<ScopeSpec>,
) -> Result<Json<ScopeShown>, ApiError> {
    scope::check(&name).map_err(ApiError::Query)?;
    let before = match shared.polis.scopes.find(&name) {
        Some(scope) => scope.settings(),
        None => Arc::default(),
    };
    if spec.secrets.is_some() && spec.verify.is_none() && before.verification.is_none() {
        spec.verify = Some(guessed(&shared, &name)?.to_string());
    }
    let settings = changed(&before, spec).map_err(ApiError::Invalid)?;
    let is_another_check = settings.verification != before.verification;
    let scope = shared.polis.scopes.find_or_add(&name).ok_or_else(|| {
        ApiError::Conflict(format!(
            "there are {SCOPES} scopes, the most that polis keeps; delete one first"
        ))
    })?;
    scope.set(settings);
    shared.polis.learn_secrets();
    let diagnosed = match is_another_check {
        true => diagnose_kept(&shared.polis, &scope).await,
        false => 0,
    };
    Ok(Json(ScopeShown {
        diagnosed,
        ..shown(&scope)
    }))
}

/// The preset whose header the newest signed request of the scope has.
fn guessed(shared: &Shared, name: &str) -> Result<Preset, ApiError> {
    let kept = shared.polis.store.newest_first();
    kept.iter()
        .filter(|record| *record.scope == *name)
        .find_map(|record| preset_of(record.head.as_ref()?))
        .ok_or_else(|| {
            let told = "verify: say whose signatures are checked; no kept request of the scope has a known signature header";
            ApiError::Invalid(vec![told.to_owned()])
        })
}

pub(crate) async fn remove(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<super::requests::Removed>, ApiError> {
    scope::check(&name).map_err(ApiError::Query)?;
    if name == DEFAULT {
        return Err(ApiError::Conflict(
            "the scope default cannot be removed; DELETE /api/requests?scope=default empties it"
                .into(),
        ));
    }
    if shared.polis.scopes.find(&name).is_none() {
        return Err(ApiError::NoScope(name));
    }
    // Its requests are removed with it: without the scope, nothing would protect them any more.
    let ids: Vec<u64> = shared
        .polis
        .store
        .newest_first()
        .iter()
        .filter(|record| *record.scope == *name)
        .map(|record| record.id)
        .collect();
    let removed = shared.polis.store.remove(ids).await;
    shared.polis.scopes.remove(&name);
    shared.polis.learn_secrets();
    Ok(Json(super::requests::Removed { removed }))
}

/// The settings with the spec's changes.
fn changed(before: &ScopeSettings, spec: ScopeSpec) -> Result<ScopeSettings, Vec<String>> {
    let mut faults = Vec::new();
    let rules =
        Rules::new(spec.rules.unwrap_or_else(|| before.rules.specs())).unwrap_or_else(|found| {
            faults.extend(found);
            Rules::default()
        });
    let known = before.verification.as_ref();
    let preset = match spec.verify.as_deref() {
        None => known.map(|verification| verification.preset),
        Some("") => None,
        Some(name) => name
            .parse::<Preset>()
            .map_err(|fault| faults.push(format!("verify: {fault}")))
            .ok(),
    };
    let mut secrets = |given: Option<Vec<String>>, known: Option<&Vec<SigningSecret>>, name| {
        let Some(preset) = preset else {
            return Vec::new();
        };
        let texts = given.unwrap_or_else(|| {
            known
                .into_iter()
                .flatten()
                .map(|secret| secret.expose().to_owned())
                .collect()
        });
        let mut secrets = Vec::new();
        for text in texts {
            match SigningSecret::new(&text, preset) {
                Ok(secret) => secrets.push(secret),
                Err(fault) => faults.push(format!("{name}: {fault}")),
            }
        }
        secrets
    };
    let accepted = secrets(spec.secrets, known.map(|v| &v.secrets), "secrets");
    let old = secrets(
        spec.old_secrets,
        known.map(|v| &v.old_secrets),
        "old_secrets",
    );
    if preset.is_some() && accepted.is_empty() && faults.is_empty() {
        faults.push("verify needs at least one secret in secrets".into());
    }
    let public_url = match spec.public_url {
        None => known.and_then(|verification| verification.public_url.clone()),
        Some(url) if url.is_empty() => None,
        Some(url) => {
            let is_http = url::Url::parse(&url).is_ok_and(|parsed| {
                matches!(parsed.scheme(), "http" | "https") && parsed.has_host()
            });
            if !is_http {
                faults.push(format!(
                    "public_url: {url:?} is not an http:// or https:// URL"
                ));
            }
            Some(url)
        }
    };
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(ScopeSettings {
        rules,
        verification: preset.map(|preset| Verification {
            preset,
            secrets: accepted,
            old_secrets: old,
            public_url,
            enforce: spec
                .enforce
                .unwrap_or_else(|| known.is_some_and(|verification| verification.enforce)),
        }),
        capacity: match spec.capacity {
            None => before.capacity,
            Some(0) => None,
            Some(capacity) => Some(capacity),
        },
    })
}

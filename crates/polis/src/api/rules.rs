//! The rules of a scope, read and replaced while polis runs.

use axum::{
    Json,
    extract::{Query as Params, State},
};

use super::{
    error::ApiError,
    query::{Query, given},
    shared::Shared,
};
use crate::{
    answer::{Rules, RulesSpec},
    scope::{DEFAULT, Scope},
};
use std::sync::Arc;

pub(super) async fn show(
    State(shared): State<Shared>,
    Params(query): Params<Query>,
) -> Result<Json<RulesSpec>, ApiError> {
    let scope = scope(&shared, &query)?;
    let rules = scope.settings().rules.specs();
    Ok(Json(RulesSpec { rules }))
}

pub(super) async fn put(
    State(shared): State<Shared>,
    Params(query): Params<Query>,
    Json(spec): Json<RulesSpec>,
) -> Result<Json<RulesSpec>, ApiError> {
    let scope = scope(&shared, &query)?;
    let rules = Rules::new(spec.rules).map_err(ApiError::Invalid)?;
    let shown = rules.specs();
    scope.set_rules(rules);
    Ok(Json(RulesSpec { rules: shown }))
}

fn scope(shared: &Shared, query: &Query) -> Result<Arc<Scope>, ApiError> {
    let name = given(&query.scope).unwrap_or(DEFAULT);
    shared
        .polis
        .scopes
        .find(name)
        .ok_or_else(|| ApiError::NoScope(name.to_owned()))
}

//! How polis answers, changed live: a few fields for the usual, JSON for all of it.

use askama::Template;
use axum::{
    Form,
    extract::{Query as Params, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::view::html;
use crate::{
    answer::{RuleSpec, Rules, RulesSpec},
    api::{
        Shared,
        query::{Query, given},
    },
    scope::DEFAULT,
};

#[derive(Template)]
#[template(path = "rules.html")]
struct RulesPage {
    scope: String,
    /// The view token that was shown, for the forms to show it again.
    token: String,
    scopes: Vec<String>,
    json: String,
    problems: Vec<String>,
    saved: bool,
}

/// Either the fields of one rule, or all rules as JSON.
#[derive(Deserialize)]
#[serde(default)]
pub(super) struct RulesForm {
    scope: String,
    token: String,
    json: Option<String>,
    method: String,
    path: String,
    event: String,
    respond: String,
    sleep: String,
    fail_rate: String,
    seed: String,
    retry_after: String,
    redirect: String,
    forward: String,
    fault: String,
}

impl Default for RulesForm {
    fn default() -> Self {
        let empty = String::new;
        Self {
            scope: DEFAULT.to_owned(),
            token: empty(),
            json: None,
            method: empty(),
            path: empty(),
            event: empty(),
            respond: empty(),
            sleep: empty(),
            fail_rate: empty(),
            seed: empty(),
            retry_after: empty(),
            redirect: empty(),
            forward: empty(),
            fault: empty(),
        }
    }
}

impl RulesForm {
    fn rules(&self) -> Result<Vec<RuleSpec>, Vec<String>> {
        if let Some(json) = &self.json {
            let spec: RulesSpec = serde_json::from_str(json)
                .map_err(|error| vec![format!("the rules are no JSON of rules: {error}")])?;
            return Ok(spec.rules);
        }
        // Through JSON, so that the fields mean here what they mean everywhere.
        let mut rule = serde_json::Map::new();
        let mut problems = Vec::new();
        for (name, text) in [
            ("method", &self.method),
            ("path", &self.path),
            ("event", &self.event),
            ("respond", &self.respond),
            ("sleep", &self.sleep),
            ("redirect", &self.redirect),
            ("forward", &self.forward),
        ] {
            if !text.trim().is_empty() {
                rule.insert(name.to_owned(), text.trim().into());
            }
        }
        for (name, text) in [
            ("fail_rate", &self.fail_rate),
            ("seed", &self.seed),
            ("retry_after", &self.retry_after),
        ] {
            if !text.trim().is_empty() {
                match serde_json::from_str::<serde_json::Number>(text.trim()) {
                    Ok(number) => drop(rule.insert(name.to_owned(), number.into())),
                    Err(_) => problems.push(format!("{name} is {text:?}; it is a number")),
                }
            }
        }
        match self.fault.as_str() {
            "" => {}
            fault @ ("hang" | "reset") => drop(rule.insert(fault.to_owned(), true.into())),
            "slow_body" => drop(rule.insert("slow_body".to_owned(), 1.into())),
            "huge_body" => drop(rule.insert("huge_body".to_owned(), 10_000_000.into())),
            other => problems.push(format!("{other:?} is no way to misbehave")),
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        if rule.is_empty() {
            return Ok(Vec::new());
        }
        serde_json::from_value(rule.into())
            .map(|rule| vec![rule])
            .map_err(|error| vec![error.to_string()])
    }
}

fn page(
    shared: &Shared,
    scope: &str,
    token: &str,
    json: Option<String>,
    problems: Vec<String>,
    saved: bool,
) -> Response {
    let json = json.unwrap_or_else(|| {
        let rules = shared
            .polis
            .scopes
            .find(scope)
            .map(|scope| scope.settings().rules.specs())
            .unwrap_or_default();
        serde_json::to_string_pretty(&RulesSpec { rules }).unwrap_or_default()
    });
    let scopes = shared
        .polis
        .scopes
        .all()
        .iter()
        .map(|scope| scope.name.to_string())
        .collect();
    html(&RulesPage {
        scope: scope.to_owned(),
        token: token.to_owned(),
        scopes,
        json,
        problems,
        saved,
    })
}

pub(super) async fn show(
    State(shared): State<Shared>,
    Params(query): Params<Query>,
    headers: HeaderMap,
) -> Response {
    if let Err(error) = query.check_scope(&shared, &headers) {
        return error.into_response();
    }
    page(
        &shared,
        given(&query.scope).unwrap_or(DEFAULT),
        query.token(&headers).unwrap_or_default(),
        None,
        Vec::new(),
        false,
    )
}

pub(super) async fn change(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Form(form): Form<RulesForm>,
) -> Response {
    let asked = Query {
        scope: Some(form.scope.clone()),
        token: Some(form.token.clone()),
        ..Query::default()
    };
    if let Err(error) = asked.check_scope(&shared, &headers) {
        return error.into_response();
    }
    let Some(scope) = shared.polis.scopes.find(&form.scope) else {
        return Redirect::to("/rules").into_response();
    };
    match form.rules().and_then(Rules::new) {
        Ok(rules) => {
            scope.set_rules(rules);
            page(&shared, &form.scope, &form.token, None, Vec::new(), true)
        }
        Err(problems) => {
            let shown = page(
                &shared,
                &form.scope,
                &form.token,
                form.json,
                problems,
                false,
            );
            (StatusCode::UNPROCESSABLE_ENTITY, shown).into_response()
        }
    }
}

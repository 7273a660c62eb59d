//! How polis answers, changed live: fields for one rule, JSON for all of them.

use askama::Template;
use axum::{
    Form,
    extract::{Query as Params, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};

use super::{rule_form::RuleForm, view::html};
use crate::{
    answer::{RuleSpec, Rules, RulesSpec},
    api::{
        Shared,
        error::ApiError,
        query::{Query, given},
    },
    scope::{DEFAULT, SCOPES, is_name},
};

#[derive(Template)]
#[template(path = "rules.html")]
struct RulesPage {
    pages: Vec<serve::PageLink>,
    scope: String,
    scopes: Vec<String>,
    token: String,
    capture: String,
    /// The one rule, or what was just entered.
    form: RuleForm,
    /// Rules of the scope.
    count: usize,
    /// One sentence a rule.
    told: Vec<String>,
    json: String,
    problems: Vec<String>,
    saved: bool,
}

/// What was entered, and what became of it.
#[derive(Default)]
struct Entered {
    form: Option<RuleForm>,
    problems: Vec<String>,
    saved: bool,
}

fn page(shared: &Shared, scope: &str, token: &str, entered: Entered) -> Response {
    let rules: Vec<RuleSpec> = shared
        .polis
        .scopes
        .find(scope)
        .map(|scope| scope.settings().rules.specs())
        .unwrap_or_default();
    let json = entered.form.as_ref().and_then(|form| form.json.clone());
    let form = entered.form.unwrap_or_else(|| match &rules[..] {
        [only] if only.body_base64.is_none() => RuleForm::of(only),
        _ => RuleForm::default(),
    });
    let path = match scope {
        DEFAULT => String::new(),
        name => format!("/in/{name}"),
    };
    html(&RulesPage {
        pages: shared.polis.pages.seen_from("polis"),
        scope: scope.to_owned(),
        scopes: shared.polis.scopes.names(),
        token: token.to_owned(),
        capture: shared.polis.capture_url() + &path,
        form,
        count: rules.len(),
        told: rules.iter().map(told).collect(),
        json: json.unwrap_or_else(|| {
            serde_json::to_string_pretty(&RulesSpec { rules }).unwrap_or_default()
        }),
        problems: entered.problems,
        saved: entered.saved,
    })
}

/// A rule in words: `POST /hooks*: 500x2,200, Retry-After 30 s`.
fn told(rule: &RuleSpec) -> String {
    let mut which = Vec::new();
    which.extend(rule.method.clone());
    which.extend(rule.path.clone());
    which.extend(rule.event.as_ref().map(|event| format!("event {event}")));
    let mut what = Vec::new();
    what.extend(
        rule.echo
            .as_ref()
            .map(|place| format!("an echo of {place}")),
    );
    what.extend(rule.respond.as_ref().map(ToString::to_string));
    what.extend(rule.sleep.as_ref().map(|sleep| format!("after {sleep} s")));
    what.extend(rule.fail_rate.map(|rate| format!("{rate} of them 500")));
    what.extend(rule.retry_after.map(|s| format!("Retry-After {s} s")));
    what.extend(rule.redirect.as_ref().map(|to| format!("redirect to {to}")));
    what.extend(rule.forward.as_ref().map(|to| format!("forward to {to}")));
    what.extend(rule.slow_body.map(|s| format!("{s} s between bytes")));
    what.extend(rule.huge_body.map(|bytes| format!("{bytes} bytes of body")));
    if rule.body.is_some() || rule.body_base64.is_some() {
        what.push("a body of its own".to_owned());
    }
    what.extend(rule.headers.iter().cloned());
    what.extend(rule.hang.then(|| "never an answer".to_owned()));
    what.extend(rule.reset.then(|| "a reset connection".to_owned()));
    let which = match which.is_empty() {
        true => "Every request".to_owned(),
        false => which.join(" "),
    };
    let what = match what.is_empty() {
        true => "200 and an echo".to_owned(),
        false => what.join(", "),
    };
    format!("{which}: {what}")
}

pub(super) async fn show(
    State(shared): State<Shared>,
    Params(query): Params<Query>,
    headers: HeaderMap,
) -> Response {
    if let Err(error) = query.check_scope(&shared, &headers) {
        return error.into_response();
    }
    let scope = given(&query.scope).unwrap_or(DEFAULT);
    let token = query.token(&headers).unwrap_or_default();
    page(&shared, scope, token, Entered::default())
}

pub(super) async fn change(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Form(form): Form<RuleForm>,
) -> Response {
    let asked = Query {
        scope: Some(form.scope.clone()),
        token: Some(form.token.clone()),
        ..Query::default()
    };
    if let Err(error) = asked.check_scope(&shared, &headers) {
        return error.into_response();
    }
    let name = given(&asked.scope).unwrap_or(DEFAULT);
    let token = given(&asked.token).unwrap_or_default();
    match form.rules().and_then(Rules::new) {
        Ok(rules) => {
            let scope = match name == DEFAULT || is_name(name) {
                true => shared.polis.scopes.find_or_add(name),
                false => None,
            };
            let Some(scope) = scope else {
                let full = format!("there are {SCOPES} scopes; remove one first");
                return ApiError::Conflict(full).into_response();
            };
            scope.set_rules(rules);
            let entered = Entered {
                saved: true,
                ..Entered::default()
            };
            page(&shared, name, token, entered)
        }
        Err(problems) => {
            let entered = Entered {
                problems,
                form: Some(form),
                saved: false,
            };
            let shown = page(&shared, name, token, entered);
            (StatusCode::UNPROCESSABLE_ENTITY, shown).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_told_in_words() {
        let rule = |json| told(&serde_json::from_str(json).unwrap());
        assert_eq!(rule("{}"), "Every request: 200 and an echo");
        assert_eq!(
            rule(r#"{"method":"POST","path":"/a*","respond":"500x2,200","retry_after":30}"#),
            "POST /a*: 500x2,200, Retry-After 30 s"
        );
        assert_eq!(rule(r#"{"hang":true}"#), "Every request: never an answer");
    }
}

//! How polis answers: changed live, as JSON with the names of `polis.toml`.

use askama::Template;
use axum::{
    Form,
    extract::{Query as Params, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::{bar::Bar, view::html};
use crate::{
    answer::{RuleSpec, Rules, RulesSpec},
    api::{
        error::ApiError,
        query::{Query, given},
        shared::Shared,
    },
    scope::{self, DEFAULT, SCOPES},
};

#[derive(Template)]
#[template(path = "rules.html")]
struct RulesPage {
    pages: Vec<serve::PageLink>,
    bar: Bar,
    /// One sentence per rule.
    told: Vec<String>,
    /// The rules, or what was just entered.
    json: String,
    problems: Vec<String>,
    saved: bool,
}

/// The rules that people want most often, with a button each.
const READY: [(&str, &str); 6] = [
    ("200 and an echo", r#"{"rules":[]}"#),
    (
        "Fail twice, then accept",
        r#"{"rules":[{"respond":"500x2,200"}]}"#,
    ),
    (
        "503 with Retry-After",
        r#"{"rules":[{"respond":503,"retry_after":30}]}"#,
    ),
    ("Fail one in three", r#"{"rules":[{"fail_rate":0.33}]}"#),
    ("Answer after 20 s", r#"{"rules":[{"sleep":20}]}"#),
    ("Never answer", r#"{"rules":[{"hang":true}]}"#),
];

/// What a rule can say.
const WORDS: [(&str, &str); 13] = [
    (
        "method, path, event",
        "which requests it applies to; * stands for any text",
    ),
    (
        "respond",
        "statuses in turn for each delivery: \"500x2,200\"",
    ),
    ("fail_rate", "the fraction answered 500, from 0 to 1"),
    ("sleep", "seconds before the answer: 2 or \"1..5\""),
    ("seed", "makes random draws repeatable"),
    ("retry_after", "seconds in a Retry-After header"),
    ("headers", "a list of \"Name: value\""),
    ("body, body_base64", "the body, instead of an echo"),
    (
        "echo",
        "answers a value of the request: \"query.hub.challenge\"",
    ),
    ("redirect", "a URL"),
    ("forward", "the app that answers: \"http://localhost:3000\""),
    ("hang, reset", "true for no answer, or a broken connection"),
    (
        "slow_body, huge_body",
        "seconds between two bytes, bytes of a made-up body",
    ),
];

impl RulesPage {
    fn ready(&self) -> &'static [(&'static str, &'static str)] {
        &READY
    }

    fn words(&self) -> &'static [(&'static str, &'static str)] {
        &WORDS
    }
}

/// All rules of a scope, as they were entered.
#[derive(Deserialize)]
pub(super) struct RulesForm {
    #[serde(default)]
    scope: String,
    json: String,
}

impl RulesForm {
    /// # Errors
    /// A sentence for everything that is wrong.
    fn rules(&self) -> Result<Rules, Vec<String>> {
        let spec: RulesSpec = serde_json::from_str(&self.json)
            .map_err(|error| vec![format!("the rules are not valid JSON: {error}")])?;
        Rules::new(spec.rules)
    }
}

/// The page of a scope, with what was entered and what is wrong with it.
fn page(shared: &Shared, scope: &str, entered: Option<(String, Vec<String>)>) -> RulesPage {
    let settings = shared.polis.scopes.find(scope);
    let rules = settings.map(|scope| scope.settings().rules.specs());
    let rules = rules.unwrap_or_default();
    let told = rules.iter().map(told).collect();
    let (json, problems) = entered.unwrap_or_else(|| {
        let json = serde_json::to_string_pretty(&RulesSpec { rules });
        (json.unwrap_or_default(), Vec::new())
    });
    RulesPage {
        pages: shared.polis.pages.seen_from("polis"),
        bar: Bar::of(shared, scope),
        told,
        json,
        problems,
        saved: false,
    }
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
        what.push("its own body".to_owned());
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
) -> Result<Response, ApiError> {
    query.filter()?;
    let scope = given(&query.scope).unwrap_or(DEFAULT);
    Ok(html(&page(&shared, scope, None)))
}

pub(super) async fn change(
    State(shared): State<Shared>,
    Form(form): Form<RulesForm>,
) -> Result<Response, ApiError> {
    let name = match form.scope.as_str() {
        "" => DEFAULT,
        name => name,
    };
    scope::check(name).map_err(ApiError::Query)?;
    match form.rules() {
        Ok(rules) => {
            let scope = shared.polis.scopes.find_or_add(name).ok_or_else(|| {
                ApiError::Conflict(format!("there are {SCOPES} scopes; remove one first"))
            })?;
            scope.set_rules(rules);
            Ok(html(&RulesPage {
                saved: true,
                ..page(&shared, name, None)
            }))
        }
        Err(problems) => {
            let shown = html(&page(&shared, name, Some((form.json, problems))));
            Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response())
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

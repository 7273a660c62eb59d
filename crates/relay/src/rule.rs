//! The file's rules: what is done with which events.

use std::{collections::BTreeSet, num::NonZeroU32};

use webhooks_core::{ATTEMPTS_MAX, RETENTION_DEFAULT, RetrySchedule};

use crate::{
    action::{Accounts, Action, KINDS},
    reading::{Section, Text, suggestion},
    template::Expression,
    values,
};

/// Nobody reads a rule with more steps than this.
const ACTIONS_MAX: usize = 20;

/// What is done with which events of a source.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) source: String,
    pub(crate) events: Vec<Pattern>,
    pub(crate) when: Option<Expression>,
    /// Performed one after the other.
    pub(crate) steps: Vec<Step>,
}

/// One action of a rule.
#[derive(Debug)]
pub(crate) struct Step {
    /// Its number and kind, such as `1-slack`.
    pub(crate) name: String,
    pub(crate) action: Action,
    pub(crate) retry: Option<RetrySchedule>,
    pub(crate) per_second: Option<NonZeroU32>,
}

/// A pattern of event types: an exact type, a prefix and a star, or a star.
#[derive(Debug, Clone)]
pub(crate) struct Pattern(pub(crate) String);

impl Pattern {
    pub(crate) fn matches(&self, event: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => event.starts_with(beginning),
            None => event == self.0,
        }
    }
}

pub(crate) fn rules(root: &Section<'_>, sources: &[String], accounts: &Accounts) -> Vec<Rule> {
    let sections = root.sections("rule");
    if sections.is_empty() {
        root.fault(
            &(0..0),
            "there is no rule: add [[rule]] with name, source and [[rule.action]]",
        );
    }
    let mut names = BTreeSet::new();
    let mut rules = Vec::new();
    for section in sections {
        let name = section.required("name");
        if let Some(name) = &name
            && section.check_name(name, "rule")
            && !names.insert(name.text.clone())
        {
            section.fault(
                &name.span,
                format_args!("there are two rules \"{}\"", name.text),
            );
        }
        rules.extend(rule(section, name, sources, accounts));
    }
    rules
}

fn rule(
    section: Section<'_>,
    name: Option<Text>,
    sources: &[String],
    accounts: &Accounts,
) -> Option<Rule> {
    let source = section.required("source");
    if let Some(source) = &source
        && !sources.contains(&source.text)
    {
        let hint = suggestion(&source.text, sources.iter().map(String::as_str));
        section.fault(
            &source.span,
            format_args!("there is no source \"{}\"{hint}", source.text),
        );
    }
    let mut events = Vec::new();
    for event in section.texts("event") {
        if event.text.trim_end_matches('*').contains('*') {
            section.fault(
                &event.span,
                format_args!(
                    "event \"{}\": a star is allowed only at the end",
                    event.text
                ),
            );
        }
        events.push(Pattern(event.text));
    }
    if events.is_empty() {
        events.push(Pattern("*".to_owned()));
    }
    let mut known: BTreeSet<String> = values::NAMES
        .iter()
        .map(|name| (*name).to_owned())
        .collect();
    let when = section.raw("when").and_then(|when| {
        let expression = Expression::new(&when.text);
        section.checked(&when, expression, &known, Expression::variables)
    });
    let mut steps = Vec::new();
    let sections = section.sections("action");
    if sections.is_empty() {
        section.fault(
            &section.span,
            "this rule does nothing: add [[rule.action]] with kind",
        );
    }
    if sections.len() > ACTIONS_MAX {
        section.fault(
            &section.span,
            format_args!(
                "this rule has {} actions; the limit is {ACTIONS_MAX}",
                sections.len()
            ),
        );
    }
    for (index, section) in sections.into_iter().enumerate() {
        steps.extend(step(section, index + 1, accounts, &mut known));
    }
    section.finish();
    Some(Rule {
        name: name?.text,
        source: source?.text,
        events,
        when,
        steps,
    })
}

fn step(
    section: Section<'_>,
    number: usize,
    accounts: &Accounts,
    known: &mut BTreeSet<String>,
) -> Option<Step> {
    let retry = section
        .durations("retry")
        .and_then(|waits| schedule(&section, waits));
    let per_second = section
        .integer("per_second", 1..=1000)
        .and_then(NonZeroU32::new);
    let Some(kind) = section.required("kind") else {
        // Without a kind, the rest of it cannot be checked.
        return None;
    };
    let Some(action) = Action::read(&kind.text, &section, accounts, known) else {
        if !KINDS.contains(&kind.text.as_str()) {
            let hint = suggestion(&kind.text, KINDS.iter().copied());
            section.fault(
                &kind.span,
                format_args!("there is no kind of action \"{}\"{hint}", kind.text),
            );
        } else {
            section.finish();
        }
        return None;
    };
    if let Some(name) = action.adds() {
        known.insert(name.to_owned());
    }
    section.finish();
    Some(Step {
        name: format!("{number}-{}", kind.text),
        per_second: per_second.or(action.per_second()),
        action,
        retry,
    })
}

fn schedule(section: &Section<'_>, waits: Vec<std::time::Duration>) -> Option<RetrySchedule> {
    let fault = |text: &dyn std::fmt::Display| {
        let span = section
            .texts("retry")
            .first()
            .map_or(section.span.clone(), |text| text.span.clone());
        section.fault(&span, format_args!("retry: {text}"));
    };
    match RetrySchedule::new(waits) {
        Ok(schedule) if schedule.span() > RETENTION_DEFAULT => {
            let days = RETENTION_DEFAULT.as_secs() / (24 * 3600);
            fault(&format_args!(
                "the waits add up to more than the {days} days for which events are kept (at most {ATTEMPTS_MAX} attempts)"
            ));
            None
        }
        Ok(schedule) => Some(schedule),
        Err(error) => {
            fault(&error);
            None
        }
    }
}

//! The rules of a scope; the first one that matches a request answers it.

use serde::{Deserialize, Serialize};

use super::{Asked, Rule, RuleFault, RuleSpec};

/// Maximum number of rules of one scope.
const RULES: usize = 100;

/// Rules in the order in which they are tried.
#[derive(Debug, Default)]
pub struct Rules(Vec<Rule>);

/// Rules as they are written in JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RulesSpec {
    /// The first one that matches a request answers it.
    pub rules: Vec<RuleSpec>,
}

impl Rules {
    /// Checks rules as they were written.
    ///
    /// # Errors
    /// A sentence for every fault, with the number of its rule.
    pub fn new(specs: Vec<RuleSpec>) -> Result<Self, Vec<String>> {
        if specs.len() > RULES {
            return Err(vec![format!(
                "{} rules are given; the limit is {RULES}",
                specs.len()
            )]);
        }
        let mut rules = Vec::with_capacity(specs.len());
        let mut faults = Vec::new();
        for (index, spec) in specs.into_iter().enumerate() {
            match Rule::new(spec) {
                Ok(rule) => rules.push(rule),
                Err(found) => faults.extend(
                    found
                        .iter()
                        .map(|fault: &RuleFault| format!("rule {}: {fault}", index + 1)),
                ),
            }
        }
        if faults.is_empty() {
            Ok(Self(rules))
        } else {
            Err(faults)
        }
    }

    /// The rules as they were written.
    pub fn specs(&self) -> Vec<RuleSpec> {
        self.0.iter().map(|rule| rule.spec().clone()).collect()
    }

    pub(super) fn rule_for(&self, asked: &Asked<'_>) -> Option<&Rule> {
        self.0.iter().find(|rule| rule.is_for(asked))
    }
}

//! How requests are answered: rules, and the plan that a rule makes for one request.
//!
//! A rule is data, so that flags, `polis.toml`, the API and the page all write the same thing.
//! This module decides; the capture listener carries out the plan on a connection.

mod asked;
mod echo;
mod plan;
mod rule;
mod rules;
mod sequence;
mod span;

pub(crate) use asked::Asked;
pub(crate) use echo::CHALLENGES;
pub(crate) use echo::{Echo, EchoFault};
pub(crate) use plan::Plan;
pub(crate) use plan::{Manner, Occasion, PlannedBody};
pub(crate) use rule::glob;
pub use rule::{NumberOrText, RuleSpec};
pub(crate) use rule::{Rule, RuleFault};
pub use rules::Rules;
pub(crate) use rules::RulesSpec;
pub(crate) use sequence::Sequence;
pub use sequence::SequenceFault;
pub(crate) use span::{SpanFault, TimeSpan};

//! What is answered: rules, and the plan that a rule makes for one request.
//!
//! A rule is data, so that flags, `polis.toml`, the API and the page all write the same thing.
//! This module decides; carrying a plan out on a connection is the capture listener's work.

mod asked;
mod echo;
mod plan;
mod rule;
mod rules;
mod sequence;
mod span;

pub(crate) use asked::Asked;
pub(crate) use echo::CHALLENGES;
pub use echo::{Echo, EchoFault};
pub use plan::Plan;
pub(crate) use plan::{Manner, Occasion, PlannedBody};
pub(crate) use rule::glob;
pub use rule::{NumberOrText, Rule, RuleFault, RuleSpec};
pub use rules::{Rules, RulesSpec};
pub use sequence::{Sequence, SequenceFault};
pub use span::{SpanFault, TimeSpan};

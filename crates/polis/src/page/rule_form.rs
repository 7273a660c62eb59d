//! The fields of one rule on the page, read into a rule and filled from one.

use serde::Deserialize;
use serde_json::{Map, Number, Value};

use crate::answer::{NumberOrText, RuleSpec, RulesSpec};

/// Either the fields of one rule, or all rules as JSON.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RuleForm {
    pub(super) scope: String,
    pub(super) token: String,
    pub(super) json: Option<String>,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) event: String,
    pub(super) echo: String,
    pub(super) respond: String,
    pub(super) sleep: String,
    pub(super) fail_rate: String,
    pub(super) seed: String,
    pub(super) retry_after: String,
    pub(super) redirect: String,
    pub(super) forward: String,
    /// A line each, `Name: value`.
    pub(super) headers: String,
    pub(super) body: String,
    pub(super) slow_body: String,
    pub(super) huge_body: String,
    /// `hang`, `reset` or nothing.
    pub(super) fault: String,
}

impl RuleForm {
    /// The fields filled with what a rule says.
    pub(super) fn of(rule: &RuleSpec) -> Self {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let either = |value: &Option<NumberOrText>| {
            value.as_ref().map(ToString::to_string).unwrap_or_default()
        };
        let fault = match (rule.hang, rule.reset) {
            (true, _) => "hang",
            (_, true) => "reset",
            _ => "",
        };
        Self {
            method: text(&rule.method),
            path: text(&rule.path),
            event: text(&rule.event),
            echo: text(&rule.echo),
            respond: either(&rule.respond),
            sleep: either(&rule.sleep),
            fail_rate: number(rule.fail_rate),
            seed: number(rule.seed),
            retry_after: number(rule.retry_after),
            redirect: text(&rule.redirect),
            forward: text(&rule.forward),
            headers: rule.headers.join("\n"),
            body: text(&rule.body),
            slow_body: number(rule.slow_body),
            huge_body: number(rule.huge_body),
            fault: fault.to_owned(),
            ..Self::default()
        }
    }

    /// The rules that were entered.
    ///
    /// # Errors
    /// A sentence for every field that cannot be read.
    pub(super) fn rules(&self) -> Result<Vec<RuleSpec>, Vec<String>> {
        if let Some(json) = &self.json {
            let spec: RulesSpec = serde_json::from_str(json)
                .map_err(|error| vec![format!("the rules are not valid JSON: {error}")])?;
            return Ok(spec.rules);
        }
        // Through JSON, so that the fields mean here what they mean everywhere.
        let mut rule = Map::new();
        let mut problems = Vec::new();
        for (name, text) in [
            ("method", &self.method),
            ("path", &self.path),
            ("event", &self.event),
            ("echo", &self.echo),
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
            ("slow_body", &self.slow_body),
            ("huge_body", &self.huge_body),
        ] {
            if text.trim().is_empty() {
                continue;
            }
            match serde_json::from_str::<Number>(text.trim()) {
                Ok(number) => drop(rule.insert(name.to_owned(), number.into())),
                Err(_) => problems.push(format!("{name} is {text:?}; it is a number")),
            }
        }
        let headers: Vec<Value> = self
            .headers
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(Value::from)
            .collect();
        if !headers.is_empty() {
            rule.insert("headers".to_owned(), headers.into());
        }
        if !self.body.is_empty() {
            let body = self.body.replace("\r\n", "\n");
            rule.insert("body".to_owned(), body.into());
        }
        match self.fault.as_str() {
            "" => {}
            fault @ ("hang" | "reset") => drop(rule.insert(fault.to_owned(), true.into())),
            other => problems.push(format!("{other:?} is neither hang nor reset")),
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

fn number(value: Option<impl ToString>) -> String {
    value.map(|number| number.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_rule_says_comes_back_from_its_fields() {
        let rule: RuleSpec = serde_json::from_str(
            r#"{"method":"POST","path":"/a*","event":"b","echo":"query.c","respond":"500x2,200","fail_rate":0.3,
                "seed":7,"sleep":"1..5","retry_after":30,"headers":["A: b","C: d"],"body":"x\ny",
                "slow_body":0.5,"huge_body":1000,"redirect":"http://a/","reset":true}"#,
        )
        .unwrap();
        assert_eq!(RuleForm::of(&rule).rules(), Ok(vec![rule]));
        assert_eq!(RuleForm::default().rules(), Ok(vec![]));
    }

    #[test]
    fn every_field_that_cannot_be_read_is_named() {
        let form = RuleForm {
            fail_rate: "a".into(),
            seed: "b".into(),
            fault: "c".into(),
            ..RuleForm::default()
        };
        assert_eq!(form.rules().unwrap_err().len(), 3);
    }
}

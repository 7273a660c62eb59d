//! A JSON body written in the file, whose strings are templates.

use std::collections::BTreeMap;

use minijinja::Value;
use toml::de::DeValue;

use super::keys::Keys;
use crate::{
    reading::{Section, Text},
    template::{Escape, Expression, RenderError, Template},
};

/// JSON whose strings are templates: values cannot break out of the string that they are in.
#[derive(Debug)]
pub(crate) enum Body {
    Template(Template),
    /// A string that is one `{{ expression }}` and nothing else keeps the expression's type.
    Expression(Expression),
    Literal(serde_json::Value),
    List(Vec<Body>),
    Object(BTreeMap<String, Body>),
}

impl Body {
    pub(super) fn table(keys: &Keys<'_>, table: &Section<'_>) -> Self {
        let entries = table.entries().map(|(key, value)| {
            let span = value.span();
            (key.text, Self::of(keys, span, value.get_ref()))
        });
        Self::Object(entries.collect())
    }

    fn of(keys: &Keys<'_>, span: std::ops::Range<usize>, value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::text(
                keys,
                &Text {
                    text: text.to_string(),
                    span,
                },
            ),
            DeValue::Array(items) => Self::List(
                items
                    .iter()
                    .map(|item| Self::of(keys, item.span(), item.get_ref()))
                    .collect(),
            ),
            DeValue::Table(table) => {
                let section = Section::new(keys.section.file, table, span);
                Self::table(keys, &section)
            }
            other => {
                let literal = other.as_bool().map(serde_json::Value::from);
                let integer = || {
                    let integer = other.as_integer()?;
                    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
                };
                let float = || other.as_float()?.as_str().parse::<f64>().ok();
                let literal = literal
                    .or_else(|| integer().map(serde_json::Value::from))
                    .or_else(|| float().map(serde_json::Value::from));
                if literal.is_none() {
                    let kind = other.type_str();
                    let text = format_args!("body has a {kind} here, which JSON does not have");
                    keys.section.fault(&span, text);
                }
                Self::Literal(literal.unwrap_or_default())
            }
        }
    }

    fn text(keys: &Keys<'_>, text: &Text) -> Self {
        let inner = text
            .text
            .trim()
            .strip_prefix("{{")
            .and_then(|rest| rest.strip_suffix("}}"))
            .filter(|inner| !inner.contains("{{"));
        let body = match inner {
            Some(inner) => keys
                .checked_expression(text, inner.trim())
                .map(Self::Expression),
            None => keys
                .checked_template(text, Escape::Plain)
                .map(Self::Template),
        };
        body.unwrap_or(Self::Literal(serde_json::Value::Null))
    }

    pub(super) fn render(&self, values: &Value) -> Result<serde_json::Value, RenderError> {
        Ok(match self {
            Self::Template(template) => template.render(values)?.into(),
            Self::Expression(expression) => expression.json(values)?,
            Self::Literal(literal) => literal.clone(),
            Self::List(items) => {
                let items = items.iter().map(|item| item.render(values));
                serde_json::Value::Array(items.collect::<Result<_, _>>()?)
            }
            Self::Object(entries) => {
                let entries = entries
                    .iter()
                    .map(|(key, body)| Ok((key.clone(), body.render(values)?)));
                serde_json::Value::Object(entries.collect::<Result<_, RenderError>>()?)
            }
        })
    }
}

//! Reads a table of the file key by key, and records each fault with its line instead of stopping
//! at the first. A key that was never read is a fault, too.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    fmt::Display,
    ops::{Range, RangeInclusive},
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::SignedDuration;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::fault::{Fault, suggestion};
use crate::template::RenderError;

/// A step's name is part of an event's id in webhooks-core, and of a URL.
const NAME_BYTES_MAX: usize = 40;

/// A position in the file.
pub(crate) type Span = Range<usize>;

/// Where a variable's value comes from.
pub(crate) type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What all sections of one file share.
pub(crate) struct File<'a> {
    source: &'a str,
    directory: PathBuf,
    variables: Variables<'a>,
    faults: RefCell<Vec<Fault>>,
}

impl<'a> File<'a> {
    pub(crate) fn new(source: &'a str, path: &Path, variables: Variables<'a>) -> Self {
        Self {
            source,
            directory: path.parent().unwrap_or(Path::new("")).to_owned(),
            variables,
            faults: RefCell::default(),
        }
    }

    pub(crate) fn fault(&self, span: &Span, text: impl Display) {
        let before = self.source.get(..span.start).unwrap_or_default();
        self.faults.borrow_mut().push(Fault {
            line: before.matches('\n').count() + 1,
            text: text.to_string(),
        });
    }

    /// Resolves a path in the file, relative to the file's directory.
    pub(crate) fn path(&self, text: &str) -> PathBuf {
        self.directory.join(text)
    }

    pub(crate) fn into_faults(self) -> Vec<Fault> {
        let mut faults = self.faults.into_inner();
        faults.sort_by_key(|fault| fault.line);
        faults
    }

    /// Replaces `${NAME}` with the values of variables.
    fn expanded(&self, text: Text) -> Option<Text> {
        let mut expanded = String::new();
        let mut rest = text.text.as_str();
        while let Some((before, after)) = rest.split_once("${") {
            expanded.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                self.fault(&text.span, "${ has no }: write ${NAME} for a variable");
                return None;
            };
            match (self.variables)(name).filter(|value| !value.is_empty()) {
                Some(value) => expanded.push_str(&value),
                None => {
                    self.fault(
                        &text.span,
                        format_args!("the environment variable {name} is not set"),
                    );
                    return None;
                }
            }
            rest = after;
        }
        expanded.push_str(rest);
        Some(Text {
            text: expanded,
            ..text
        })
    }
}

/// A text and its position.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    pub(crate) text: String,
    pub(crate) span: Span,
}

/// One table of the file.
pub(crate) struct Section<'a> {
    pub(crate) file: &'a File<'a>,
    table: &'a DeTable<'a>,
    /// Where the table begins.
    pub(crate) span: Span,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Section<'a> {
    pub(crate) fn new(file: &'a File<'a>, table: &'a DeTable<'a>, span: Span) -> Self {
        Self {
            file,
            table,
            span,
            asked: RefCell::default(),
        }
    }

    pub(crate) fn fault(&self, span: &Span, text: impl Display) {
        self.file.fault(span, text);
    }

    fn value(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.borrow_mut().insert(key);
        self.table.get(key)
    }

    fn wrong_kind(&self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str) {
        let kind = value.get_ref().type_str();
        self.fault(
            &value.span(),
            format_args!("{key} is {kind}; it must be {wanted}"),
        );
    }

    /// A text as written, without replacing variables: a template or an expression.
    pub(crate) fn raw(&self, key: &'static str) -> Option<Text> {
        let value = self.value(key)?;
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.wrong_kind(key, value, "a string");
        }
        Some(Text {
            text: text?.to_owned(),
            span: value.span(),
        })
    }

    /// A text in which variables are replaced.
    pub(crate) fn text(&self, key: &'static str) -> Option<Text> {
        self.file.expanded(self.raw(key)?)
    }

    /// Like `text`, but a missing key is a fault.
    pub(crate) fn required(&self, key: &'static str) -> Option<Text> {
        self.need(key);
        self.text(key)
    }

    /// Like `raw`, but a missing key is a fault.
    pub(crate) fn required_raw(&self, key: &'static str) -> Option<Text> {
        self.need(key);
        self.raw(key)
    }

    fn need(&self, key: &'static str) {
        if self.value(key).is_none() {
            self.fault(&self.span, format_args!("{key} is missing here"));
        }
    }

    /// One text or a list of them.
    pub(crate) fn texts(&self, key: &'static str) -> Vec<Text> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let one = std::slice::from_ref(value);
        let items: Vec<&Spanned<DeValue<'_>>> = match value.get_ref().as_array() {
            Some(array) => array.iter().collect(),
            None => one.iter().collect(),
        };
        let mut texts = Vec::new();
        for item in items {
            match item.get_ref().as_str() {
                Some(text) => texts.extend(self.file.expanded(Text {
                    text: text.to_owned(),
                    span: item.span(),
                })),
                None => self.wrong_kind(key, item, "a string or a list of strings"),
            }
        }
        texts
    }

    pub(crate) fn integer(&self, key: &'static str, range: RangeInclusive<u32>) -> Option<u32> {
        let value = self.value(key)?;
        let number = value
            .get_ref()
            .as_integer()
            .and_then(|integer| u32::from_str_radix(integer.as_str(), integer.radix()).ok());
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let (least, most) = (range.start(), range.end());
            let text = format_args!("{key} must be a whole number from {least} to {most}");
            self.fault(&value.span(), text);
        }
        number
    }

    pub(crate) fn flag(&self, key: &'static str) -> bool {
        let Some(value) = self.value(key) else {
            return false;
        };
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong_kind(key, value, "true or false");
        }
        flag.unwrap_or_default()
    }

    /// Durations such as `"5s"` or `"2h 30m"`.
    pub(crate) fn durations(&self, key: &'static str) -> Option<Vec<Duration>> {
        self.value(key)?;
        let mut durations = Vec::new();
        for text in self.texts(key) {
            let parsed = text.text.parse::<SignedDuration>().ok();
            match parsed.and_then(|duration| Duration::try_from(duration).ok()) {
                Some(duration) => durations.push(duration),
                None => self.fault(
                    &text.span,
                    format_args!(
                        "{key}: \"{}\" is not a time; write \"5s\", \"10m\", \"2h\"",
                        text.text
                    ),
                ),
            }
        }
        Some(durations)
    }

    pub(crate) fn section(&self, key: &'static str) -> Option<Section<'a>> {
        let value = self.value(key)?;
        match value.get_ref().as_table() {
            Some(table) => Some(Self::new(self.file, table, value.span())),
            None => {
                self.wrong_kind(key, value, "a table");
                None
            }
        }
    }

    /// The tables of an array of tables: `[[key]]`.
    pub(crate) fn sections(&self, key: &'static str) -> Vec<Section<'a>> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let Some(array) = value.get_ref().as_array() else {
            self.wrong_kind(key, value, &format!("an array of tables: [[{key}]]"));
            return Vec::new();
        };
        let mut sections = Vec::new();
        for item in array.iter() {
            match item.get_ref().as_table() {
                Some(table) => sections.push(Self::new(self.file, table, item.span())),
                None => self.wrong_kind(key, item, &format!("a table: [[{key}]]")),
            }
        }
        sections
    }

    /// Every key with its value, of a table whose keys the user chooses.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (Text, &'a Spanned<DeValue<'a>>)> {
        self.table.iter().map(|(key, value)| {
            let key = Text {
                text: key.get_ref().to_string(),
                span: key.span(),
            };
            (key, value)
        })
    }

    /// The entry's own table, for `[source.NAME]`.
    pub(crate) fn entry_section(
        &self,
        key: &Text,
        value: &'a Spanned<DeValue<'a>>,
    ) -> Option<Section<'a>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.wrong_kind(&key.text, value, "a table");
        }
        Some(Self::new(self.file, table?, key.span.clone()))
    }

    /// The entry's text with variables replaced, for `headers`.
    pub(crate) fn entry_text(&self, key: &Text, value: &Spanned<DeValue<'_>>) -> Option<Text> {
        let Some(text) = value.get_ref().as_str() else {
            self.wrong_kind(&key.text, value, "a string");
            return None;
        };
        self.file.expanded(Text {
            text: text.to_owned(),
            span: value.span(),
        })
    }

    /// A template or expression, if its syntax is valid; reports each variable that does not exist.
    pub(crate) fn checked<T>(
        &self,
        text: &Text,
        parsed: Result<T, RenderError>,
        known: &BTreeSet<String>,
        variables: impl Fn(&T) -> Vec<String>,
    ) -> Option<T> {
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(error) => {
                self.fault(&text.span, error);
                return None;
            }
        };
        for name in variables(&parsed) {
            if !known.contains(&name) {
                let hint = suggestion(&name, known.iter().map(String::as_str));
                self.fault(
                    &text.span,
                    format_args!("there is no value \"{name}\"{hint}"),
                );
            }
        }
        Some(parsed)
    }

    /// Checks that a name can be part of a URL, of a customer's id and of a line of the file.
    pub(crate) fn check_name(&self, name: &Text, what: &str) -> bool {
        let fits = (1..=NAME_BYTES_MAX).contains(&name.text.len())
            && name
                .text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if !fits {
            let text = format_args!(
                "{what} \"{}\" is invalid: use 1 to {NAME_BYTES_MAX} letters, digits, - and _",
                name.text
            );
            self.fault(&name.span, text);
        }
        fits
    }

    /// Reports every key that was never read.
    pub(crate) fn finish(self) {
        let asked = self.asked.borrow();
        for (key, _) in self.table {
            let name = key.get_ref().as_ref();
            if !asked.contains(name) {
                let hint = suggestion(name, asked.iter().copied());
                self.fault(&key.span(), format_args!("unknown key \"{name}\"{hint}"));
            }
        }
    }
}

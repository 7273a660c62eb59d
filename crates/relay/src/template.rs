//! Templates and expressions over an event. What a template outputs is escaped for its destination,
//! so that an event's values cannot become markup, mentions or parts of a URL.

use std::{
    collections::HashSet,
    fmt::{self, Write as _},
    io,
    sync::LazyLock,
};

use minijinja::{
    AutoEscape, Environment, ErrorKind, Output, State, UndefinedBehavior, Value, context,
};
use url::Url;

/// More than any provider accepts; a template that loops over an event may produce more.
const RENDERED_BYTES_MAX: usize = 64 * 1024;
/// The maximum number of steps in one rendering: some milliseconds.
const FUEL: u64 = 200_000;

/// A template or an expression failed for an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct RenderError(String);

impl RenderError {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }
}

impl From<minijinja::Error> for RenderError {
    fn from(error: minijinja::Error) -> Self {
        Self(error.to_string())
    }
}

/// Where a template's output goes, and what values must not be able to do there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Escape {
    /// Plain text of any number of lines.
    Plain,
    /// One line: a mail's subject, an address, a title.
    Line,
    /// A part of a URL.
    Url,
    /// Slack: links, mentions of people, channels and everybody.
    Slack,
    /// Mattermost: Markdown, and mentions.
    Mattermost,
    /// Discord: Markdown, and mentions (which the message also forbids).
    Discord,
}

impl Escape {
    const ALL: [Self; 6] = [
        Self::Plain,
        Self::Line,
        Self::Url,
        Self::Slack,
        Self::Mattermost,
        Self::Discord,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "text",
            Self::Line => "line",
            Self::Url => "url",
            Self::Slack => "slack",
            Self::Mattermost => "mattermost",
            Self::Discord => "discord",
        }
    }

    fn named(name: &str) -> Self {
        let mut all = Self::ALL.into_iter();
        all.find(|escape| escape.name() == name)
            .unwrap_or(Self::Plain)
    }

    fn write(self, text: &str, out: &mut impl fmt::Write) -> fmt::Result {
        match self {
            Self::Plain => {
                for c in text.chars().filter(|c| is_text(*c)) {
                    out.write_char(c)?;
                }
            }
            Self::Line => {
                for c in text.chars() {
                    out.write_char(if is_break(c) { ' ' } else { c })?;
                }
            }
            Self::Url => {
                for part in form_urlencoded::byte_serialize(text.as_bytes()) {
                    // Only in a query does + mean a space.
                    out.write_str(if part == "+" { "%20" } else { part })?;
                }
            }
            Self::Slack => {
                for c in text.chars().filter(|c| is_text(*c)) {
                    write_entity(c, out)?;
                }
            }
            Self::Mattermost | Self::Discord => {
                // A link escaped like other text would lead elsewhere.
                if let Some(link) = link(text) {
                    return out.write_str(&link);
                }
                for c in text.chars().filter(|c| is_text(*c)) {
                    match c {
                        // Looks the same, but is no longer a mention.
                        '@' => out.write_str("@\u{200b}")?,
                        '&' | '<' | '>' if self == Self::Mattermost => write_entity(c, out)?,
                        c if MARKDOWN.contains(c) => write!(out, "\\{c}")?,
                        c => out.write_char(c)?,
                    }
                }
            }
        }
        Ok(())
    }
}

/// The characters that begin markup in Markdown, wherever they stand.
const MARKDOWN: &str = "\\`*_~|[]()#>+-!<";

/// The characters in a link that could end it and begin something else.
const ENDS_LINK: &str = "\\`*|[]()<>\"'@";

/// The link, if the text is a web address and nothing else; characters that could end it are
/// escaped.
fn link(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.host().is_some();
    if !is_web || text.contains(char::is_whitespace) {
        return None;
    }
    let mut link = String::new();
    for c in url.as_str().chars() {
        if ENDS_LINK.contains(c) {
            // They are all ASCII.
            let _ = write!(link, "%{:02X}", u32::from(c));
        } else {
            link.push(c);
        }
    }
    Some(link)
}

/// Line breaks of any script, and control characters.
fn is_break(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Whether a text may contain it: everything but control characters.
fn is_text(c: char) -> bool {
    matches!(c, '\n' | '\t') || !is_break(c)
}

fn write_entity(c: char, out: &mut impl fmt::Write) -> fmt::Result {
    match c {
        '&' => out.write_str("&amp;"),
        '<' => out.write_str("&lt;"),
        '>' => out.write_str("&gt;"),
        c => out.write_char(c),
    }
}

/// A text that contains an event's values.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    source: String,
    escape: Escape,
}

impl Template {
    /// Checks the template's syntax, and that the filters and tests exist that it reaches without
    /// an event.
    pub(crate) fn new(source: &str, escape: Escape) -> Result<Self, RenderError> {
        TEMPLATES.template_from_named_str(escape.name(), source)?;
        let lenient = EXPRESSIONS.template_from_named_str(escape.name(), source)?;
        known_names(lenient.render(context! {}))?;
        Ok(Self {
            source: source.to_owned(),
            escape,
        })
    }

    /// The names of the variables that it uses.
    pub(crate) fn variables(&self) -> Vec<String> {
        let compiled = TEMPLATES.template_from_named_str(self.escape.name(), &self.source);
        sorted(compiled.map(|template| template.undeclared_variables(false)))
    }

    /// The text, without white space at its end.
    pub(crate) fn render(&self, values: &Value) -> Result<String, RenderError> {
        let template = TEMPLATES.template_from_named_str(self.escape.name(), &self.source)?;
        let mut bounded = Bounded(Vec::new());
        template.render_captured_to(values.clone(), &mut bounded)?;
        let text = String::from_utf8(bounded.0)
            .map_err(|_| RenderError("the template's output is not text".to_owned()))?;
        Ok(text.trim_end().to_owned())
    }
}

/// A value of an event, or one computed from them.
#[derive(Debug, Clone)]
pub(crate) struct Expression(String);

impl Expression {
    /// Checks the expression's syntax, and that the filters and tests exist that it reaches without
    /// an event.
    pub(crate) fn new(source: &str) -> Result<Self, RenderError> {
        let expression = EXPRESSIONS.compile_expression(source)?;
        known_names(expression.eval(context! {}))?;
        Ok(Self(source.to_owned()))
    }

    /// The names of the variables that it uses.
    pub(crate) fn variables(&self) -> Vec<String> {
        let compiled = EXPRESSIONS.compile_expression(&self.0);
        sorted(compiled.map(|expression| expression.undeclared_variables(false)))
    }

    /// Its value. What the event does not have is undefined, and so is everything inside it.
    pub(crate) fn value(&self, values: &Value) -> Result<Value, RenderError> {
        Ok(EXPRESSIONS
            .compile_expression(&self.0)?
            .eval(values.clone())?)
    }

    /// Its value as JSON; what the event does not have is an error.
    pub(crate) fn json(&self, values: &Value) -> Result<serde_json::Value, RenderError> {
        let value = self.value(values)?;
        if value.is_undefined() {
            return Err(RenderError(format!("the event has no {}", self.0)));
        }
        serde_json::to_value(&value).map_err(|error| RenderError(error.to_string()))
    }
}

/// Checks the result of a run without an event: only a filter, test or function that does not exist
/// is an error.
fn known_names<T>(run: Result<T, minijinja::Error>) -> Result<(), RenderError> {
    let unknown = [
        ErrorKind::UnknownFilter,
        ErrorKind::UnknownTest,
        ErrorKind::UnknownFunction,
    ];
    match run {
        Err(error) if unknown.contains(&error.kind()) => Err(error.into()),
        _ => Ok(()),
    }
}

/// Leaves out the names of functions, which every template has.
fn sorted(names: Result<HashSet<String>, minijinja::Error>) -> Vec<String> {
    let functions: HashSet<&str> = TEMPLATES.globals().map(|(name, _)| name).collect();
    let names = names.into_iter().flatten();
    let mut names: Vec<String> = names
        .filter(|name| !functions.contains(name.as_str()))
        .collect();
    names.sort();
    names
}

/// A name that an event lacks is an error, since the text would be wrong.
static TEMPLATES: LazyLock<Environment<'static>> =
    LazyLock::new(|| environment(UndefinedBehavior::Strict));
/// In a condition, a name that an event lacks is merely false.
static EXPRESSIONS: LazyLock<Environment<'static>> =
    LazyLock::new(|| environment(UndefinedBehavior::Chainable));

fn environment(undefined: UndefinedBehavior) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(undefined);
    environment.set_fuel(Some(FUEL));
    environment
        .set_auto_escape_callback(|name| AutoEscape::Custom(Escape::named(name).name().into()));
    environment.set_formatter(write_value);
    // Both would mark an event's values as markup of the template's own.
    environment.remove_filter("safe");
    environment.add_filter("tojson", |value: Value| {
        serde_json::to_string(&value)
            .map_err(|error| minijinja::Error::new(ErrorKind::BadSerialization, error.to_string()))
    });
    environment
}

fn write_value(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), minijinja::Error> {
    if value.is_undefined() && state.undefined_behavior() == UndefinedBehavior::Strict {
        return Err(ErrorKind::UndefinedError.into());
    }
    if value.is_safe() {
        return Ok(write!(out, "{value}")?);
    }
    // Chosen by the template's name: no block in the template can turn this off.
    let escape = Escape::named(state.name());
    let text = if value.is_none() {
        String::new()
    } else {
        value.to_string()
    };
    Ok(escape.write(&text, out)?)
}

/// Accepts up to `RENDERED_BYTES_MAX` bytes.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > RENDERED_BYTES_MAX {
            let text = format!("the text is longer than {RENDERED_BYTES_MAX} bytes");
            return Err(io::Error::other(text));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! A log for a person to read in a terminal: one line per fact, with the local time.
//!
//! An info line is a sentence that is complete by itself; its fields, and the request it belongs
//! to, are for searching and appear only at debug. Warnings and errors always show their fields.

use std::{
    fmt::{self, Write as _},
    io::IsTerminal,
};

use jiff::{Timestamp, tz::TimeZone};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
};
use tracing_subscriber::{
    EnvFilter,
    fmt::{
        FmtContext, FormattedFields,
        format::{FormatEvent, FormatFields, Writer},
    },
    registry::LookupSpan,
};

use crate::{
    color::wants_color,
    logs::{FILTER_VARIABLE, LogsError, filter},
};

const SOFT: &str = "\x1b[2m";
const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const PLAIN: &str = "\x1b[0m";

/// Logs to standard error what `RUST_LOG` asks for, or else `default_filter` (like `"info"`), as
/// lines for a person at a terminal.
///
/// # Errors
/// [`LogsError`]: stop the program; the error names the variable to correct.
pub fn narrate(default_filter: &str) -> Result<(), LogsError> {
    narrate_by(filter(std::env::var(FILTER_VARIABLE).ok(), default_filter)?)
}

/// Logs what `filter` lets through.
pub(crate) fn narrate_by(filter: EnvFilter) -> Result<(), LogsError> {
    let format = Narration {
        is_colored: wants_color(std::io::stderr().is_terminal()),
        is_detailed: filter
            .max_level_hint()
            .is_some_and(|level| level >= LevelFilter::DEBUG),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(format.is_colored)
        .event_format(format)
        .try_init()
        .map_err(|_| LogsError::AlreadySet)
}

struct Narration {
    is_colored: bool,
    is_detailed: bool,
}

impl Narration {
    fn paint(&self, color: &'static str) -> (&'static str, &'static str) {
        if self.is_colored && !color.is_empty() {
            (color, PLAIN)
        } else {
            ("", "")
        }
    }
}

impl<S, N> FormatEvent<S, N> for Narration
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Line::default();
        event.record(&mut line);
        let level = *event.metadata().level();
        let (soft, plain) = self.paint(SOFT);
        let now = Timestamp::now().to_zoned_datetime(TimeZone::system());
        let time = now.strftime("%H:%M:%S%.3f").to_string();
        write!(writer, "{soft}{time}{plain} ")?;
        let (word, color) = match level {
            Level::ERROR => ("ERROR ", RED),
            Level::WARN => ("WARN ", YELLOW),
            Level::INFO => ("", ""),
            Level::DEBUG => ("DEBUG ", SOFT),
            Level::TRACE => ("TRACE ", SOFT),
        };
        let (paint, unpaint) = self.paint(color);
        write!(writer, "{paint}{word}{unpaint}{}", line.message)?;
        if self.is_detailed || level != Level::INFO {
            write!(writer, "{soft}{}", line.fields)?;
            let spans = context.event_scope().into_iter().flatten();
            for span in spans.filter(|_| self.is_detailed) {
                let extensions = span.extensions();
                if let Some(fields) = extensions.get::<FormattedFields<N>>() {
                    write!(writer, " {}{{{fields}}}", span.name())?;
                }
            }
            write!(writer, "{plain}")?;
        }
        writeln!(writer)
    }
}

/// The sentence, and the fields after it.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Line {
    /// Writing to a `String` does not fail.
    fn put(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value}"),
            name => write!(self.fields, " {name}={value}"),
        };
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format_args!("{value:?}"));
    }
}

//! The fields of "send again", and their contents after sending.

use serde::Deserialize;

use super::body::visible;
use crate::{
    api::replay::{Replay, Replayed},
    edit::{self, Edits},
    record::Record,
    redact::Redactor,
};

/// What was sent again, and the outcome.
pub(super) struct Answered {
    /// The contents of the fields, which they keep.
    pub(super) form: ReplayForm,
    pub(super) outcome: Result<Replayed, String>,
    /// A warning about how the receiver will take it, or empty.
    pub(super) warning: String,
}

/// The fields of "send again".
#[derive(Deserialize)]
pub(super) struct ReplayForm {
    pub(super) to: String,
    /// One change per line: `body.data=1`, `header.X-Name=value`, `header.X-Name=` to remove it.
    #[serde(default)]
    pub(super) set: String,
    /// The whole body, if it could be shown as text.
    pub(super) body: Option<String>,
    #[serde(default)]
    pub(super) resign: Option<String>,
}

impl ReplayForm {
    /// `shown` is the body as the form showed it. A browser sends CR LF for every line end, so
    /// a body counts as edited only if more than that differs.
    pub(super) fn read(&self, shown: Option<&str>) -> Result<Replay, String> {
        let mut set = Edits::new();
        if let (Some(body), Some(shown)) = (&self.body, shown) {
            let body = body.replace("\r\n", "\n");
            if body != shown.replace("\r\n", "\n") {
                let body = if shown.contains("\r\n") {
                    body.replace('\n', "\r\n")
                } else {
                    body
                };
                let body =
                    serde_json::value::to_raw_value(&body).map_err(|error| error.to_string())?;
                set.insert("body".to_owned(), body);
            }
        }
        for line in self
            .set
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            let (name, value) = edit::typed(line)?;
            set.insert(name, value);
        }
        Ok(Replay {
            to: self.to.clone(),
            set,
            resign: self.resign.is_some(),
        })
    }
}

/// The size limit of bodies that are offered for editing: what a person edits in a text field.
const EDITABLE_BYTES: usize = 64 * 1024;

/// The body as text that can be edited and sent. `None` if it is not text, or contains a redacted
/// secret: an edit must not send "[redacted secret]".
pub(super) fn editable(record: &Record, redactor: &Redactor) -> Option<String> {
    let text = std::str::from_utf8(&record.body).ok()?;
    let shown = visible(&text.replace("\r\n", "\n"));
    let is_itself = text.len() <= EDITABLE_BYTES
        && shown == text.replace("\r\n", "\n")
        && redactor.text(text) == text;
    is_itself.then(|| text.to_owned())
}

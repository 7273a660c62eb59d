//! Captured requests read from a HAR file or from polis's own log.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use serve::wire::Head;

use crate::{
    captured::{Captured, CapturedAnswer},
    content::{Content, event_type},
    delivery::Attempts,
    recall,
    record::{Answer, Record},
    scope::{self, DEFAULT},
};

/// Maximum number of requests in one import.
const IMPORTED_MAX: usize = 10_000;

/// The records of a HAR file or of a polis log, oldest first.
pub(crate) fn read(file: &[u8]) -> Result<Vec<Record>, String> {
    let text = std::str::from_utf8(file)
        .map_err(|_| "the file is not UTF-8 text; import a HAR file or a polis log".to_owned())?;
    let records = match serde_json::from_str::<Value>(text) {
        Ok(document) if document.get("log").is_some() => from_har(&document)?,
        _ => from_log(text)?,
    };
    match records.len() {
        0 => Err("there are no requests in the file".to_owned()),
        count if count > IMPORTED_MAX => Err(format!(
            "the file has {count} requests; the limit is {IMPORTED_MAX}"
        )),
        _ => Ok(records),
    }
}

fn from_log(text: &str) -> Result<Vec<Record>, String> {
    let mut records: Vec<Record> = Vec::new();
    for (index, line) in text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
    {
        let wrong = |error: &dyn std::fmt::Display| {
            format!("line {} is not a line of a polis log: {error}", index + 1)
        };
        let mut line: Value = serde_json::from_str(line).map_err(|error| wrong(&error))?;
        match line.get("what").and_then(Value::as_str) {
            Some("arrived") => {
                let captured: Captured = serde_json::from_value(line["request"].take())
                    .map_err(|error| wrong(&error))?;
                let body = recall::body(&captured);
                records.push(recall::record(&captured, body));
            }
            Some("answered") => {
                let answer: Option<CapturedAnswer> =
                    serde_json::from_value(line["answer"].take()).map_err(|error| wrong(&error))?;
                let id = line["id"].as_u64();
                if let (Some(answer), Some(record)) = (
                    answer,
                    records.iter().rev().find(|record| Some(record.id) == id),
                ) {
                    // One answer per request; a second line for the same request means a broken log.
                    let _ = record.answer.set(recall::answer(&answer));
                }
            }
            _ => return Err(wrong(&"it has no \"what\"")),
        }
    }
    Ok(records)
}

fn from_har(document: &Value) -> Result<Vec<Record>, String> {
    let mut attempts = Attempts::default();
    let entries = document["log"]["entries"]
        .as_array()
        .ok_or("the HAR file has no log.entries")?;
    entries
        .iter()
        .take(IMPORTED_MAX + 1)
        .enumerate()
        .map(|(index, entry)| {
            from_entry(entry, &mut attempts)
                .map_err(|reason| format!("entry {}: {reason}", index + 1))
        })
        .collect()
}

/// The text of a body, or its bytes if the field named by `encoding` says base64.
fn bytes(body: &Value, encoding: &str) -> Result<Vec<u8>, String> {
    let text = body["text"].as_str().unwrap_or_default();
    match body[encoding].as_str() {
        Some("base64") => STANDARD
            .decode(text)
            .map_err(|error| format!("its body is not base64: {error}")),
        _ => Ok(text.into()),
    }
}

fn from_entry(entry: &Value, attempts: &mut Attempts) -> Result<Record, String> {
    let request = &entry["request"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let url = text(&request["url"]);
    let target = match url::Url::parse(&url) {
        Ok(url) => url[url::Position::BeforePath..url::Position::AfterQuery].to_owned(),
        Err(_) => url,
    };
    let mut head = format!("{} {} HTTP/1.1\r\n", text(&request["method"]), target);
    let pairs = |value: &Value| -> Vec<(String, String)> {
        let pairs = value.as_array().into_iter().flatten();
        pairs
            .map(|pair| (text(&pair["name"]), text(&pair["value"])))
            .collect()
    };
    for (name, value) in pairs(&request["headers"]) {
        // Pseudo-headers of HTTP/2 do not belong in an HTTP/1 head.
        if !name.starts_with(':') {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    head.push_str("\r\n");
    let head =
        Head::parse(head.into()).map_err(|error| format!("its request cannot be read: {error}"))?;
    let posted = &request["postData"];
    let body = bytes(posted, "_encoding")?;
    let content = Content::of(&head, &body);
    let event = event_type(&head, content, &body);
    let received_at = text(&entry["startedDateTime"])
        .parse()
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    // Counted separately: an import must not change which status a sender gets next.
    let counted = attempts.count(&head, &body, received_at, 0).delivery;
    let told = serde_json::from_value(entry["_delivery"].clone()).ok();
    let delivery = told.flatten().or(counted);
    let answered = &entry["response"];
    let status = answered["status"]
        .as_u64()
        .and_then(|status| u16::try_from(status).ok())
        .filter(|status| *status > 0);
    let answer = Answer {
        status,
        headers: pairs(&answered["headers"]),
        body: bytes(&answered["content"], "encoding")?.into(),
        body_size: answered["content"]["size"].as_u64().unwrap_or_default(),
        after: std::time::Duration::try_from_secs_f64(
            entry["time"].as_f64().unwrap_or_default() / 1e3,
        )
        .unwrap_or_default(),
        ..Answer::default()
    };
    Ok(Record {
        scope: match entry["_scope"].as_str() {
            Some(name) if scope::is_name(name) => name.into(),
            _ => DEFAULT.into(),
        },
        received_at,
        remote: (text(&entry["_remote"]).parse()).unwrap_or_else(|_| ([0, 0, 0, 0], 0).into()),
        head: Some(head),
        body: body.into(),
        notes: vec!["imported from a HAR file".to_owned()],
        content,
        event,
        delivery,
        answer: std::sync::OnceLock::from(answer),
        ..Record::empty(entry["_id"].as_u64().unwrap_or_default())
    })
}

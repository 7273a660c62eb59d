//! Captured requests as an HTTP archive (HAR 1.2), which browsers' developer tools and proxies read.
//!
//! An archive is written entry by entry, so that thousands of requests need not be in memory at
//! once: [`BEGIN`], entries with commas between them, [`END`].

use serde_json::{Value, json};

use crate::captured::{Captured, CapturedAnswer, CapturedHeader};

/// What comes before the first entry.
pub(crate) const BEGIN: &str = concat!(
    r#"{"log":{"version":"1.2","creator":{"name":"polis","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#""},"entries":["#
);

/// What comes after the last entry.
pub(crate) const END: &str = "]}}\n";

/// One request and its answer, with the bodies that are included in it.
///
/// HAR has no place for a request's bytes that are not text: they are in
/// `postData.text` as base64, and `postData._encoding` says so.
pub(crate) fn entry(captured: &Captured) -> Value {
    let empty = Vec::new();
    let headers = captured.headers.as_ref().unwrap_or(&empty);
    let url = url(captured, headers);
    let answer = captured.answer.as_ref();
    let time = answer.map_or(0.0, |answer| answer.after_ms);
    let mut request = json!({
        "method": captured.method,
        "url": url,
        "httpVersion": captured.version,
        "cookies": [],
        "headers": pairs(headers),
        "queryString": query(&captured.target),
        "headersSize": -1,
        "bodySize": captured.body.size,
    });
    if captured.body.size > 0 {
        request["postData"] = post_data(captured, headers);
    }
    let mut entry = json!({
        "startedDateTime": captured.received_at,
        "time": time,
        "request": request,
        "response": response(answer, &captured.version),
        "cache": {},
        "timings": { "send": 0, "wait": time, "receive": 0 },
        "_id": captured.id,
        "_scope": captured.scope,
        "_remote": captured.remote,
        "_delivery": captured.delivery,
    });
    if let Some(problem) = &captured.problem {
        entry["comment"] = json!(problem);
    }
    entry
}

fn url(captured: &Captured, headers: &[CapturedHeader]) -> String {
    if !captured.target.starts_with('/') {
        return captured.target.clone();
    }
    let host = find(headers, "host").unwrap_or("localhost");
    format!("http://{host}{}", captured.target)
}

fn find<'a>(headers: &'a [CapturedHeader], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case(name))
        .map(|header| header.value.as_str())
}

fn pairs(headers: &[CapturedHeader]) -> Vec<Value> {
    headers
        .iter()
        .map(|header| json!({ "name": header.name, "value": header.value }))
        .collect()
}

fn query(target: &str) -> Vec<Value> {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect()
}

fn post_data(captured: &Captured, headers: &[CapturedHeader]) -> Value {
    let kind = find(headers, "content-type").unwrap_or_default();
    match (&captured.body.text, &captured.body.base64) {
        (None, Some(base64)) => json!({ "mimeType": kind, "text": base64, "_encoding": "base64" }),
        (text, _) => json!({ "mimeType": kind, "text": text.clone().unwrap_or_default() }),
    }
}

/// Without an answer the status is 0, as browsers write it.
fn response(answer: Option<&CapturedAnswer>, version: &str) -> Value {
    let empty = Vec::new();
    let headers = answer
        .and_then(|answer| answer.headers.as_ref())
        .unwrap_or(&empty);
    let size = answer.map_or(0, |answer| answer.body_size);
    let mut content = json!({
        "size": size,
        "mimeType": find(headers, "content-type").unwrap_or_default(),
    });
    if let Some(answer) = answer {
        if let Some(text) = &answer.text {
            content["text"] = json!(text);
        } else if let Some(base64) = &answer.base64 {
            content["text"] = json!(base64);
            content["encoding"] = json!("base64");
        }
    }
    let mut response = json!({
        "status": answer.and_then(|answer| answer.status).unwrap_or(0),
        "statusText": "",
        "httpVersion": version,
        "cookies": [],
        "headers": pairs(headers),
        "content": content,
        "redirectURL": find(headers, "location").unwrap_or_default(),
        "headersSize": -1,
        "bodySize": size,
    });
    if let Some(note) = answer.and_then(|answer| answer.note.as_ref()) {
        response["comment"] = json!(note);
    }
    response
}

//! A captured request as HTTPie, as Rust with reqwest, and as it stood on the wire. For curl see
//! `curl`. Whatever a sender put into it stays text: quotes never end the quoting.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    curl::quoted,
    record::Record,
    wire::{Head, is_hop_by_hop},
};

/// The request as an HTTPie command for a POSIX shell. The body comes through a pipe as base64,
/// so that every byte survives.
pub(crate) fn httpie(record: &Record) -> Result<String, String> {
    let head = whole(record)?;
    let mut command = String::new();
    if record.body.is_empty() {
        command.push_str("http --ignore-stdin");
    } else {
        let _ = write!(
            command,
            "printf %s {} | base64 -d | http",
            STANDARD.encode(&record.body)
        );
    }
    // A method may hold whatever a token holds: a backtick, a bar, an ampersand.
    let method = head.method();
    if method.starts_with('-') {
        return Err(format!(
            "HTTPie reads the method {method} as an option; copy request #{} as curl",
            record.id
        ));
    }
    let method = quoted(method.as_bytes());
    let _ = write!(command, " {method} {}", quoted(url(head).as_bytes()));
    for (name, value) in sent(head) {
        // The space keeps a value that begins with = from being read as JSON.
        let _ = write!(
            command,
            " \\\n  {}",
            quoted(format!("{name}: {value}").as_bytes())
        );
    }
    command.push('\n');
    Ok(command)
}

/// The request as Rust.
pub(crate) fn reqwest(record: &Record) -> Result<String, String> {
    let head = whole(record)?;
    let mut code = String::from("let response = reqwest::Client::new()\n");
    let _ = writeln!(
        code,
        "    .request(reqwest::Method::from_bytes(b{:?})?, {:?})",
        head.method(),
        url(head)
    );
    for (name, value) in sent(head) {
        let _ = writeln!(code, "    .header({name:?}, {value:?})");
    }
    if !record.body.is_empty() {
        match std::str::from_utf8(&record.body) {
            Ok(text) => {
                let _ = writeln!(code, "    .body({text:?})");
            }
            Err(_) => {
                let _ = writeln!(
                    code,
                    "    .body(b\"{}\".to_vec())",
                    record.body.escape_ascii()
                );
            }
        }
    }
    code.push_str("    .send()\n    .await?;\n");
    Ok(code)
}

/// The bytes of head and body as they were received; chunk framing is not kept.
pub(crate) fn raw(record: &Record) -> Result<Vec<u8>, String> {
    let head = whole(record)?;
    Ok([&head.raw()[..], &record.body[..]].concat())
}

fn whole(record: &Record) -> Result<&Head, String> {
    let id = record.id;
    if record.body_cut {
        return Err(format!(
            "the body of request #{id} was cut, so it cannot be sent again"
        ));
    }
    record
        .head
        .as_ref()
        .ok_or_else(|| format!("request #{id} could not be read, so it cannot be sent again"))
}

fn url(head: &Head) -> String {
    let host = head.text("host").unwrap_or("localhost");
    format!(
        "http://{host}{}",
        String::from_utf8_lossy(head.origin_form())
    )
}

/// Headers that a client does not make itself; values that are no text have bytes replaced.
fn sent(head: &Head) -> impl Iterator<Item = (&str, String)> {
    head.headers()
        .filter(|(name, _)| {
            !is_hop_by_hop(name)
                && !["host", "content-length"]
                    .iter()
                    .any(|own| name.eq_ignore_ascii_case(own))
        })
        .map(|(name, value)| (name, String::from_utf8_lossy(value).into_owned()))
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, sync::OnceLock};

    use super::*;
    use crate::content::Content;

    fn record(method: &str) -> Record {
        let head = format!("{method} /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
        Record {
            id: 1,
            scope: "default".into(),
            received_at: jiff::Timestamp::UNIX_EPOCH,
            remote: SocketAddr::from(([127, 0, 0, 1], 1)),
            head: Some(Head::parse(head.into()).unwrap()),
            first_bytes: Vec::new().into(),
            body: Vec::new().into(),
            body_cut: false,
            trailers: Vec::new().into(),
            problem: None,
            notes: Vec::new(),
            content: Content::None,
            event: None,
            delivery: None,
            diagnosis: None,
            answer: OnceLock::new(),
        }
    }

    /// A method may have every character of a token (RFC 9110), which a shell understands.
    #[test]
    fn a_method_never_runs_as_a_command_of_the_shell_it_is_pasted_into() {
        for method in ["A`id`", "A|id", "A&id", "A'id"] {
            let command = httpie(&record(method)).unwrap();
            // http is a function that shows its arguments, so that nothing is really run.
            let script = format!("http() {{ printf '%s\\n' \"$@\"; }}\n{command}");
            let run = std::process::Command::new("bash")
                .args(["-c", &script])
                .output()
                .unwrap();
            let shown = String::from_utf8(run.stdout).unwrap();
            assert_eq!(shown.lines().nth(1), Some(method), "{command}");
            assert_eq!(shown.lines().count(), 3, "{shown}");
        }
    }
}

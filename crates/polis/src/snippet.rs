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
/// so that every byte survives. HTTPie spells percent-escapes of a query its own way.
///
/// # Errors
/// A sentence when HTTPie would send something else: it knows methods in capitals only, and
/// arguments that are UTF-8.
pub(crate) fn httpie(record: &Record) -> Result<String, String> {
    let head = whole(record)?;
    let id = record.id;
    let other = |what: String| format!("HTTPie cannot send {what}; copy request #{id} as curl");
    let method = head.method();
    if !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(other(format!("the method {method}")));
    }
    if std::str::from_utf8(head.target()).is_err() {
        return Err(other("a path that is not UTF-8".to_owned()));
    }
    let typed = STANDARD.encode(&record.body);
    if typed.len() > TYPED_BYTES {
        return Err(format!(
            "the body of request #{id} has {} bytes, too many for a command; `polis show {id} --raw > body` and HTTPie's @body send it",
            record.body.len()
        ));
    }
    let mut command = if typed.is_empty() {
        "http --ignore-stdin".to_owned()
    } else {
        format!("printf %s {typed} | base64 -d | http")
    };
    // Behind -- no header's name is an option.
    let method = quoted(method.as_bytes());
    let url = quoted(url(head).as_bytes());
    let _ = write!(command, " --path-as-is -- {method} {url}");
    for (name, value) in sent_bytes(head) {
        let Some(value) = std::str::from_utf8(value).ok().filter(|v| is_itself(v)) else {
            return Err(other(format!("the value of {name}")));
        };
        let item = match value {
            "" => format!("{name};"),
            // The space keeps a value that begins with = from being read as JSON.
            value => format!("{name}: {value}"),
        };
        let _ = write!(command, " \\\n  {}", quoted(item.as_bytes()));
    }
    // What HTTPie would add of its own accord.
    for name in ["User-Agent", "Accept", "Accept-Encoding", "Content-Type"] {
        let is_added = name != "Content-Type" || !record.body.is_empty();
        if is_added && head.get(name).is_none() {
            let _ = write!(command, " \\\n  '{name}:'");
        }
    }
    command.push('\n');
    Ok(command)
}

/// What of a body is typed; printf is part of the shell, but a paste has an end.
const TYPED_BYTES: usize = 1024 * 1024;

/// Whether HTTPie takes a value as it is: a backslash before what separates a name from a value
/// is taken away, and there is no way to write one that stays.
fn is_itself(value: &str) -> bool {
    let mut letters = value.chars();
    while let Some(letter) = letters.next() {
        if letter == '\\' && letters.next().is_some_and(|next| ":;=@".contains(next)) {
            return false;
        }
    }
    true
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

/// Headers that a client does not make itself.
fn sent_bytes(head: &Head) -> impl Iterator<Item = (&str, &[u8])> {
    head.headers().filter(|(name, _)| {
        !is_hop_by_hop(name)
            && !["host", "content-length"]
                .iter()
                .any(|own| name.eq_ignore_ascii_case(own))
    })
}

/// The same as text; values that are none have bytes replaced.
fn sent(head: &Head) -> impl Iterator<Item = (&str, String)> {
    sent_bytes(head).map(|(name, value)| (name, String::from_utf8_lossy(value).into_owned()))
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

    /// The record with these header lines.
    fn with(headers: &str) -> Record {
        let head = format!("POST /a HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        Record {
            head: Some(Head::parse(head.into()).unwrap()),
            ..record("POST")
        }
    }

    /// A method may have every character of a token (RFC 9110), which a shell understands.
    #[test]
    fn a_method_that_httpie_does_not_know_is_no_command() {
        for method in [
            "A`id`",
            "A|id",
            "A&id",
            "A'id",
            "--offline",
            "post",
            "M-SEARCH",
        ] {
            let refused = httpie(&record(method)).unwrap_err();
            assert!(
                refused.contains(method) && refused.contains("as curl"),
                "{refused}"
            );
        }
        assert!(httpie(&record("PROPFIND")).is_ok());
    }

    /// What HTTPie 3.2.4 does with an item was tried with the program itself.
    #[test]
    fn httpie_adds_nothing_and_reads_no_header_as_an_option() {
        let all = "User-Agent: a\r\naccept: b\r\nAccept-Encoding: br\r\n";
        let command = httpie(&with(&format!("{all}X-Empty:\r\n--check: 1\r\n"))).unwrap();
        assert_eq!(
            command,
            "http --ignore-stdin --path-as-is -- 'POST' 'http://localhost/a' \\\n  'User-Agent: a' \\\n  'accept: b' \\\n  'Accept-Encoding: br' \\\n  'X-Empty;' \\\n  '--check: 1'\n"
        );
        let command = httpie(&Record {
            body: "x".into(),
            ..with("")
        })
        .unwrap();
        assert!(
            command.starts_with("printf %s eA== | base64 -d | http --path-as-is -- 'POST'"),
            "{command}"
        );
        assert!(
            command.ends_with(
                "  'User-Agent:' \\\n  'Accept:' \\\n  'Accept-Encoding:' \\\n  'Content-Type:'\n"
            ),
            "{command}"
        );
    }

    #[test]
    fn values_that_httpie_would_change_are_refused() {
        for value in [r"a\:b", r"\=", r"\\\@"] {
            let refused = httpie(&with(&format!("X-A: {value}\r\n"))).unwrap_err();
            assert!(refused.contains("X-A"), "{refused}");
        }
        for value in [r"C:\a\", r"\\:", "=1", "@/etc/passwd"] {
            assert!(httpie(&with(&format!("X-A: {value}\r\n"))).is_ok());
        }
        let head = b"POST / HTTP/1.1\r\nHost: a\r\nX-A: \xff\r\n\r\n";
        let refused = httpie(&Record {
            head: Some(Head::parse(head[..].into()).unwrap()),
            ..record("POST")
        });
        assert!(refused.unwrap_err().contains("X-A"));
    }

    #[test]
    fn a_body_too_large_to_paste_is_refused() {
        let large = Record {
            body: vec![b'a'; TYPED_BYTES].into(),
            ..with("")
        };
        assert!(
            httpie(&large)
                .unwrap_err()
                .contains("too many for a command")
        );
    }
}

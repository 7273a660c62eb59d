//! A captured request as a curl command that sends the same request, for a POSIX shell.
//!
//! Whatever a sender put into the path, headers or body stays text: a quote never ends the
//! quoting, and no control character reaches the terminal that the command is pasted into.

use std::fmt::Write;

use serve::wire::is_hop_by_hop;

use crate::record::Record;

/// Longer arguments are refused by the kernel (128 KiB on Linux for one argument).
const ARGUMENT_BYTES: usize = 120 * 1024;

/// The command, with a line end.
///
/// # Errors
/// A sentence when the request could not be read, or its body is too large for a command.
pub(crate) fn command(record: &Record) -> Result<String, String> {
    let id = record.id;
    let Some(head) = &record.head else {
        return Err(format!(
            "request #{id} could not be read, so there is no command that sends it"
        ));
    };
    if record.body_cut {
        return Err(format!(
            "the body of request #{id} was cut, so there is no command that sends it"
        ));
    }
    let body = &record.body;
    let mut command = String::from("curl --globoff --path-as-is");
    let method = head.method();
    match (method, body.is_empty()) {
        ("GET", true) => {}
        ("HEAD", true) => command.push_str(" --head"),
        _ => {
            let _ = write!(command, " -X {}", quoted(method.as_bytes()));
        }
    }
    let host = head.get("host").unwrap_or(b"localhost");
    let url = [b"http://", host, head.origin_form()].concat();
    let _ = write!(command, " {}", quoted(&url));
    for (name, value) in head.headers() {
        // curl sets the length of a body itself; without a body it keeps the given one.
        let is_counted = name.eq_ignore_ascii_case("content-length") && !body.is_empty();
        if is_hop_by_hop(name) || is_counted || name.eq_ignore_ascii_case("host") {
            continue;
        }
        // curl sends a header without a value only if it is written like this.
        let line = match value {
            [] => format!("{name};").into_bytes(),
            value => [name.as_bytes(), b": ", value].concat(),
        };
        let _ = write!(command, " \\\n  -H {}", quoted(&line));
    }
    // Removes what curl would add by itself.
    for name in ["User-Agent", "Accept", "Content-Type"] {
        let is_needed = name != "Content-Type" || !body.is_empty();
        if is_needed && head.get(name).is_none() {
            let _ = write!(command, " \\\n  -H '{name}:'");
        }
    }
    if body.is_empty() {
        command.push('\n');
        return Ok(command);
    }
    if is_plain(body) && body.len() <= ARGUMENT_BYTES {
        let _ = write!(command, " \\\n  --data-raw {}", quoted(body));
    } else {
        // printf is part of the shell, but its argument is typed anyway.
        let typed = octal(body);
        if typed.len() > ARGUMENT_BYTES * 8 {
            return Err(format!(
                "the body of request #{id} has {} bytes, too many for a command; `polis show {id} --raw > body` and curl --data-binary @body send it",
                body.len()
            ));
        }
        command = format!("printf '{typed}' | {command} \\\n  --data-binary @-");
    }
    command.push('\n');
    Ok(command)
}

/// Text that a shell and a terminal leave as it is.
fn is_plain(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| {
        text.chars()
            .all(|letter| letter == '\n' || !crate::terminal::is_harmful(letter))
    })
}

/// One word of a shell.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    if is_plain(bytes) {
        let text = String::from_utf8_lossy(bytes);
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    format!("\"$(printf '{}')\"", octal(bytes))
}

/// For printf's format inside single quotes: letters and digits stay, the rest is octal.
fn octal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        match byte {
            b'\\' | b'%' | b'\'' | 0..=0x1f | 0x7f.. => {
                let _ = write!(text, "\\{byte:03o}");
            }
            byte => text.push(char::from(*byte)),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_never_ends_the_quoting() {
        assert_eq!(quoted(b"it's; rm -rf $HOME"), r"'it'\''s; rm -rf $HOME'");
        assert_eq!(quoted("ü\n".as_bytes()), "'ü\n'");
    }

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(
            quoted(b"\x1b[31m'%\\\xff"),
            r#""$(printf '\033[31m\047\045\134\377')""#
        );
    }
}

//! The parts of a `multipart/form-data` body (RFC 7578), to show them; also used by the import to
//! read its file.

use serve::wire::Head;

/// Maximum number of parts shown of one body.
const PARTS_MAX: usize = 100;

/// One part: its header lines and its bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    pub(super) headers: String,
    pub(super) body: &'a [u8],
}

/// The parts of a captured body; empty if it is not multipart.
pub(super) fn parts_of<'a>(head: &Head, body: &'a [u8]) -> Vec<Part<'a>> {
    head.text("content-type")
        .map_or_else(Vec::new, |kind| parts(kind, body))
}

/// The parts of a body whose content type is `kind`.
pub(super) fn parts<'a>(kind: &str, body: &'a [u8]) -> Vec<Part<'a>> {
    let Some(boundary) = boundary(kind) else {
        return Vec::new();
    };
    let delimiter = format!("--{boundary}");
    let mut found = Vec::new();
    let mut rest = body;
    while let Some(start) = find_line(rest, delimiter.as_bytes()) {
        let after = &rest[start + delimiter.len()..];
        if after.starts_with(b"--") || found.len() == PARTS_MAX {
            break;
        }
        let after = after
            .strip_prefix(b"\r\n")
            .or_else(|| after.strip_prefix(b"\n"))
            .unwrap_or(after);
        let end = find_line(after, delimiter.as_bytes()).unwrap_or(after.len());
        let part = &after[..end];
        let part = part
            .strip_suffix(b"\r\n")
            .or_else(|| part.strip_suffix(b"\n"))
            .unwrap_or(part);
        let (headers, body) = match find(part, b"\r\n\r\n") {
            Some(at) => (&part[..at], &part[at + 4..]),
            None => match part.strip_prefix(b"\r\n") {
                Some(body) => (&part[..0], body),
                None => (part, &part[part.len()..]),
            },
        };
        found.push(Part {
            headers: String::from_utf8_lossy(headers).into_owned(),
            body,
        });
        rest = &after[end..];
    }
    found
}

fn boundary(kind: &str) -> Option<String> {
    let parameter = kind
        .split(';')
        .skip(1)
        .map(str::trim)
        .find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.eq_ignore_ascii_case("boundary").then_some(value)
        })?;
    let boundary = parameter.trim_matches('"');
    (!boundary.is_empty()).then(|| boundary.to_owned())
}

/// The place where a line begins with the delimiter, alone or followed by two hyphens: only there
/// does it end a part.
fn find_line(bytes: &[u8], delimiter: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = find(&bytes[from..], delimiter) {
        let (start, end) = (from + at, from + at + delimiter.len());
        let begins_line = start == 0 || bytes[start - 1] == b'\n';
        let ends_it = match bytes.get(end) {
            None | Some(b'\r' | b'\n' | b' ' | b'\t') => true,
            Some(b'-') => bytes.get(end + 1) == Some(&b'-'),
            Some(_) => false,
        };
        if begins_line && ends_it {
            return Some(start);
        }
        from = end;
    }
    None
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boundary_counts_only_at_the_start_of_a_line() {
        let body = b"--x\r\n\r\na --x b\r\n--xy\r\nc\r\n--x\r\n\r\nd\r\n--x--\r\n";
        let parts = parts("multipart/form-data; boundary=x", body);
        let bodies: Vec<_> = parts.iter().map(|part| part.body).collect();
        assert_eq!(bodies, [&b"a --x b\r\n--xy\r\nc"[..], b"d"]);
    }

    #[test]
    fn parts_are_told_apart_by_their_boundary() {
        let body = b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n2\r\n--x\r\n\r\nplain\r\n--x--\r\n";
        let parts = parts("multipart/form-data; boundary=\"x\"", body);
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0].body, b"1\r\n2");
        assert!(parts[0].headers.contains("name=\"a\""));
        assert_eq!(parts[1].body, b"plain");
        assert_eq!(super::parts("multipart/form-data", body), []);
        assert_eq!(
            super::parts("multipart/form-data; boundary=x", b"--x"),
            [Part {
                headers: String::new(),
                body: b""
            }]
        );
    }
}

//! Values as a person types them: URLs, headers, files, standard input.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use serve::wire::is_framing;

use super::trouble::Trouble;
use crate::destination::{Destination, DestinationError};

/// How much of a file or of standard input is read; polis keeps no larger body either.
const INPUT_BYTES: u64 = 64 * 1024 * 1024;

/// Where a request goes.
pub(super) fn destination(text: &str) -> Result<Destination, String> {
    text.parse()
        .map_err(|error: DestinationError| error.to_string())
}

/// `Name: value`.
pub(super) fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or_else(|| "write a header like 'Name: value'".to_owned())?;
    let (name, value) = (name.trim(), value.trim());
    if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Err(format!("{name:?} is not a header name"));
    }
    if http::HeaderValue::from_str(value).is_err() {
        return Err("the value has characters that are not allowed in a header".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// `Name: value` of a request to send.
pub(super) fn header_to_send(text: &str) -> Result<(String, String), String> {
    let (name, value) = header(text)?;
    if is_framing(&name) {
        return Err(format!("{name} is set by polis, from the body"));
    }
    Ok((name, value))
}

/// The bytes of a file; `-` is standard input.
pub(super) fn file(path: &Path) -> Result<Vec<u8>, Trouble> {
    let trouble = |error| Trouble::File {
        path: path.to_owned(),
        error,
    };
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        io::stdin()
            .lock()
            .take(INPUT_BYTES + 1)
            .read_to_end(&mut bytes)
    } else {
        fs::File::open(path).and_then(|file| file.take(INPUT_BYTES + 1).read_to_end(&mut bytes))
    }
    .map_err(trouble)?;
    if bytes.len() as u64 > INPUT_BYTES {
        return Err(Trouble::Given(format!(
            "{} is larger than {INPUT_BYTES} bytes",
            path.display()
        )));
    }
    Ok(bytes)
}

/// A text as it is; or, with `@` before it, the bytes of a file, with `@-` those of standard input.
pub(super) fn text_or_file(text: &str) -> Result<Vec<u8>, Trouble> {
    match text.strip_prefix('@') {
        Some(path) => file(Path::new(path)),
        None => Ok(text.as_bytes().to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_checked() {
        assert_eq!(header("X-A:  b:c "), Ok(("X-A".into(), "b:c".into())));
        assert!(header("Content-Length: 3").is_ok());
        assert!(
            header_to_send("Content-Length: 3").is_err(),
            "two lengths are not a request"
        );
        assert!(header("X A: b").is_err());
        assert!(header("no colon").is_err());
        assert!(header("X: a\r\nY: b").is_err());
    }
}

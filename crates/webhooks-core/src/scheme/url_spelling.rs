//! The spellings of one URL that a sender may have signed.
//!
//! The signed text is the one that was configured at the provider; the URL that arrives was written by an HTTP
//! client. Spellings differ in the default port, in the slash of an empty path and in what is escaped, but never
//! in meaning: characters that separate the parts of a URL are treated the same in all of them.

use std::borrow::Cow;

/// All spellings of a URL, starting with the one given.
pub(super) fn spellings(url: &str) -> Vec<String> {
    let (before, tail) = split(url);
    let mut heads = vec![before.to_owned()];
    heads.extend(other_port(before));
    let mut tails = vec![Cow::Borrowed(tail)];
    match tail.strip_prefix('/') {
        Some(rest) if rest.is_empty() || rest.starts_with('?') => tails.push(rest.into()),
        None if before.contains("://") => tails.push(format!("/{tail}").into()),
        _ => {}
    }
    for index in 0..tails.len() {
        for other in [
            unescaped(&tails[index]),
            escaped(&tails[index]),
            form_escaped(&tails[index]),
        ] {
            tails.push(other.into());
        }
    }
    let mut spellings = Vec::with_capacity(heads.len());
    for tail in &tails {
        for head in &heads {
            let spelling = format!("{head}{tail}");
            if !spellings.contains(&spelling) {
                spellings.push(spelling);
            }
        }
    }
    spellings
}

/// Scheme and authority, and what follows.
fn split(url: &str) -> (&str, &str) {
    let Some(scheme) = url.find("://") else {
        return ("", url);
    };
    let start = scheme + 3;
    let end = url[start..]
        .find(['/', '?', '#'])
        .map_or(url.len(), |at| start + at);
    url.split_at(end)
}

/// The same without its port, or with the default port of its scheme.
fn other_port(before: &str) -> Option<String> {
    let (scheme, authority) = before.split_once("://")?;
    let port = match scheme.to_ascii_lowercase().as_str() {
        "https" => "443",
        "http" => "80",
        _ => return None,
    };
    let host = authority.rfind('@').map_or(0, |at| at + 1);
    let colon = authority[host..].rfind(':').map(|colon| host + colon);
    let is_port = |colon: &usize| {
        let digits = &authority[colon + 1..];
        digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    Some(match colon.filter(is_port) {
        Some(colon) => format!("{scheme}://{}", &authority[..colon]),
        None => format!("{scheme}://{authority}:{port}"),
    })
}

/// Characters that clients escape but providers sign unescaped.
fn is_escaped_by_clients(letter: char) -> bool {
    !letter.is_ascii()
        || matches!(
            letter,
            ' ' | '"' | '\'' | '<' | '>' | '`' | '{' | '}' | '^' | '|'
        )
}

/// The same with the escapes undone that a client makes of characters that do not need them.
fn unescaped(tail: &str) -> String {
    let bytes = tail.as_bytes();
    let mut text = String::with_capacity(tail.len());
    let mut position = 0;
    while position < bytes.len() {
        let run = escapes(&bytes[position..]);
        if run.is_empty() {
            let letter = tail[position..].chars().next().unwrap_or_default();
            text.push(letter);
            position += letter.len_utf8().max(1);
            continue;
        }
        let encoded = &tail[position..position + run.len() * 3];
        match std::str::from_utf8(&run) {
            // Control characters stay escaped, and so does whatever has a meaning in a URL.
            Ok(decoded) => {
                let mut at = 0;
                for letter in decoded.chars() {
                    let wide = letter.len_utf8() * 3;
                    if is_escaped_by_clients(letter) && !letter.is_control() {
                        text.push(letter);
                    } else {
                        text.push_str(&encoded[at..at + wide]);
                    }
                    at += wide;
                }
            }
            Err(_) => text.push_str(encoded),
        }
        position += encoded.len();
    }
    text
}

/// The bytes of the escapes at the beginning of `bytes`.
fn escapes(bytes: &[u8]) -> Vec<u8> {
    bytes
        .chunks_exact(3)
        .map_while(|chunk| {
            let digits = chunk.strip_prefix(b"%")?;
            let mut byte = [0];
            hex::decode_to_slice(digits, &mut byte).ok()?;
            Some(byte[0])
        })
        .collect()
}

/// Escaped the way clients do it.
fn escaped(tail: &str) -> String {
    let mut text = String::with_capacity(tail.len());
    for letter in tail.chars() {
        if is_escaped_by_clients(letter) {
            push_escaped(&mut text, letter);
        } else {
            text.push(letter);
        }
    }
    text
}

/// With the query as JavaScript's `querystring` writes it, in the same order.
fn form_escaped(tail: &str) -> String {
    let Some((path, query)) = tail.split_once('?').filter(|(_, query)| !query.is_empty()) else {
        return tail.to_owned();
    };
    let mut text = format!("{path}?");
    for (index, (key, value)) in form_urlencoded::parse(query.as_bytes()).enumerate() {
        // Not UTF-8: this spelling would represent a different text.
        if key.contains(char::REPLACEMENT_CHARACTER) || value.contains(char::REPLACEMENT_CHARACTER)
        {
            return tail.to_owned();
        }
        if index > 0 {
            text.push('&');
        }
        push_component(&mut text, &key);
        text.push('=');
        push_component(&mut text, &value);
    }
    text
}

fn push_component(text: &mut String, component: &str) {
    for letter in component.chars() {
        if letter.is_ascii_alphanumeric() || "-_.!~*'()".contains(letter) {
            text.push(letter);
        } else {
            push_escaped(text, letter);
        }
    }
}

fn push_escaped(text: &mut String, letter: char) {
    let mut buffer = [0; 4];
    for byte in letter.encode_utf8(&mut buffer).bytes() {
        text.push_str(&format!("%{byte:02X}"));
    }
}

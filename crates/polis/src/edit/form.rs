//! One pair of an `application/x-www-form-urlencoded` body.

use form_urlencoded::{byte_serialize, parse};

/// The body with this pair's value changed. If the name repeats, the last one is changed, because
/// most readers use the last; a missing pair is appended.
pub(super) fn set(body: &[u8], name: &str, value: &str) -> Vec<u8> {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let mut found = None;
    let mut start = 0;
    for pair in body.split(|byte| *byte == b'&') {
        let is_it = parse(pair).next().is_some_and(|(given, _)| given == name);
        if is_it {
            let name_bytes = pair.iter().position(|byte| *byte == b'=');
            found = Some((start + name_bytes.unwrap_or(pair.len()), start + pair.len()));
        }
        start += pair.len() + 1;
    }
    let value = encoded(value);
    match found {
        Some((name_end, end)) => [&body[..name_end], b"=", value.as_bytes(), &body[end..]].concat(),
        None => {
            let separator: &[u8] = match body.last() {
                None | Some(b'&') => b"",
                Some(_) => b"&",
            };
            [
                body,
                separator,
                encoded(name).as_bytes(),
                b"=",
                value.as_bytes(),
            ]
            .concat()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(body: &str, name: &str, value: &str) -> String {
        String::from_utf8(set(body.as_bytes(), name, value)).unwrap()
    }

    #[test]
    fn other_pairs_keep_their_bytes_and_their_order() {
        // %7e and %20 are other spellings than a writer of today has.
        let body = "b=%7e&To=%2b1&&Body=a%20b&a";
        assert_eq!(
            after(body, "Body", "ü & ~"),
            "b=%7e&To=%2b1&&Body=%C3%BC+%26+%7E&a"
        );
        assert_eq!(after(body, "To", ""), "b=%7e&To=&&Body=a%20b&a");
        assert_eq!(after(body, "a", "1"), "b=%7e&To=%2b1&&Body=a%20b&a=1");
    }

    #[test]
    fn a_name_is_found_however_it_is_spelled_and_the_last_one_counts() {
        assert_eq!(after("a%20b=1&a+b=2&c=3", "a b", "x"), "a%20b=1&a+b=x&c=3");
        assert_eq!(after("a=b=c", "a", "1"), "a=1");
    }

    #[test]
    fn a_pair_that_is_missing_is_appended() {
        assert_eq!(after("a=1", "b c", "2"), "a=1&b+c=2");
        assert_eq!(after("a=1&", "b", "2"), "a=1&b=2");
        assert_eq!(after("", "b", "2"), "b=2");
    }
}

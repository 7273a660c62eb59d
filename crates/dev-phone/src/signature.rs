//! Twilio's signature of a form that it posts: `X-Twilio-Signature`.

use webhooks_core::scheme::{Provider, SignError, ToSign};

use crate::account::AuthToken;

/// The media type of the forms that Twilio posts.
pub(crate) const FORM: &str = "application/x-www-form-urlencoded; charset=UTF-8";

/// The signature of `form` posted to `url`, which is signed exactly as written.
///
/// # Errors
/// The form has more than a thousand fields; Twilio posts about forty.
pub fn sign(token: &AuthToken, url: &str, form: &[(String, String)]) -> Result<String, SignError> {
    let body = encoded(form);
    let what = ToSign {
        id: "",
        timestamp_s: 0,
        url,
        content_type: Some(FORM),
        body: body.as_bytes(),
    };
    let mut headers = Provider::Twilio.sign(token.key(), &what)?;
    Ok(headers.remove(0).1)
}

/// The form as it is posted.
pub(crate) fn encoded(form: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers_are_reproduced() {
        let call: &[(&str, &str)] = &[
            ("CallSid", "CA1234567890ABCDE"),
            ("Digits", "1234"),
            ("From", "+14158675309"),
            ("To", "+18005551212"),
            ("Caller", "+14158675309"),
        ];
        let repeated: &[(&str, &str)] = &[
            ("Sid", "CA123"),
            ("SidAccount", "AC123"),
            ("Digits", "5678"),
            ("Digits", "1234"),
            ("Digits", "1234"),
        ];
        for (url, form, expected) in [
            (
                "https://mycompany.com/myapp.php?foo=1&bar=2",
                call,
                "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
            ),
            (
                "https://mycompany.com:443/myapp.php?foo=1&bar=2",
                call,
                "kvajT1Ptam85bY51eRf/AJRuM3w=",
            ),
            (
                "https://mycompany.com/myapp.php?foo=1&bar=2",
                repeated,
                "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
            ),
            // The text is signed, whatever a parser would make of it.
            (
                "https://Mycompany.com/a/../it's?q=\"\u{fc}\"",
                &[],
                "TjQKzYYTI4/pyQli2j29UAU8Mw4=",
            ),
        ] {
            let form: Vec<_> = form
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect();
            assert_eq!(
                sign(&"12345".parse().unwrap(), url, &form).unwrap(),
                expected,
                "{url} {form:?}"
            );
        }
    }
}

//! Where numbers go, and its name for people.

use url::Url;

/// What the texter's endpoint is called.
pub(crate) const TEXTER_NAME: &str = "the texter";

/// An endpoint with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name on the page: as given, else its host and port.
    pub name: String,
    /// Where numbers go.
    pub url: Url,
}

impl Target {
    /// Reads `URL` or `name=URL`.
    ///
    /// # Errors
    /// What is wrong, for the person who set it. The value is not repeated if it contains a password.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (name, address) = match text.split_once('=') {
            Some((name, address)) if is_name(name) => (Some(name), address),
            _ => (None, text),
        };
        let problem = match Url::parse(address) {
            Err(error) => error.to_string(),
            Ok(url) if !matches!(url.scheme(), "http" | "https") => {
                "only http and https URLs are allowed".to_owned()
            }
            // The address is shown on the page and written to the log, so the value is not repeated here.
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                return Err(
                    "has an address with a user name or password; leave them out: webhooks are signed instead"
                        .to_owned(),
                );
            }
            // A list of several in one variable: the others would become part of the first one's path.
            Ok(_) if has_second_address(address) => {
                "it holds several addresses; give each a variable of its own, NAME_1, NAME_2, …"
                    .to_owned()
            }
            Ok(url) => {
                let name = name.map_or_else(|| authority(&url), str::to_owned);
                return Ok(Self { name, url });
            }
        };
        Err(format!(
            "has {text:?} ({problem}); write it like http://localhost:9000"
        ))
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn has_second_address(text: &str) -> bool {
    [",http://", ",https://", " http://", " https://"]
        .iter()
        .any(|next| text.replace(", ", ",").contains(next))
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_the_name_it_was_given_or_its_host() {
        for (text, name, url) in [
            (
                "http://localhost:9000",
                "localhost:9000",
                "http://localhost:9000/",
            ),
            (
                "polis=http://localhost:9001",
                "polis",
                "http://localhost:9001/",
            ),
            // Any character of an address is its own.
            (
                "https://a.example/in?x=1,2;y",
                "a.example",
                "https://a.example/in?x=1,2;y",
            ),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!((&*target.name, target.url.as_str()), (name, url));
        }
    }

    #[test]
    fn a_list_in_one_variable_is_refused_with_what_to_do() {
        for list in [
            "http://a.example,http://b.example",
            "http://a.example/in, https://b.example",
            "http://a.example/in http://b.example",
        ] {
            let error = Target::parse(list).unwrap_err();
            assert!(
                error.contains("a variable of its own") || error.contains("invalid"),
                "{error}"
            );
        }
    }
}

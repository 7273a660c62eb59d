//! The headers that make a request verifiable.

use super::content::{Values, fields, is_form};
use super::error::VerifyError;
use super::format::{Form, Names, Scheme};
use super::key::Key;
use super::provider::Provider;
use sha2::{Digest, Sha256};

/// The content to sign.
#[derive(Debug, Clone, Copy)]
pub struct ToSign<'a> {
    /// The delivery's id, for schemes that include it.
    pub id: &'a str,
    /// The time of signing, in whole seconds since 1970.
    pub timestamp_s: i64,
    /// The URL that it goes to, as configured, for schemes that sign it.
    pub url: &'a str,
    /// The body's media type, for schemes that sign a form's parameters.
    pub content_type: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

/// Why a request cannot be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// A public key, or a key of another kind of scheme.
    #[error(
        "this secret verifies {provider} signatures but cannot make them; use the one that signs"
    )]
    CannotSign {
        /// The provider.
        provider: Provider,
    },
    /// The signature would not cover the body.
    #[error(
        "{provider} signs a body only when it is a form or hashed in the url; add bodySHA256={hash} to the url's query"
    )]
    BodyNotCovered {
        /// The provider.
        provider: Provider,
        /// The body's SHA-256, in hexadecimal.
        hash: String,
    },
    /// More form fields than a verifier accepts.
    #[error("the form has more than {limit} fields")]
    TooManyFields {
        /// The maximum number of fields.
        limit: usize,
    },
}

impl Provider {
    /// The headers, in order, that make a request verifiable under this scheme.
    ///
    /// For Linear, the time of signing is part of the body; put it there first.
    ///
    /// # Errors
    ///
    /// [`SignError`] says what to provide instead.
    pub fn sign(
        self,
        key: &Key,
        what: &ToSign<'_>,
    ) -> Result<Vec<(&'static str, String)>, SignError> {
        let scheme = self.scheme();
        let names = scheme.names.first().expect("every scheme has names");
        self.sign_as(names, key, what)
    }

    /// Like [`sign`](Self::sign), with the last set of the scheme's names: Svix's for Standard Webhooks.
    pub(crate) fn sign_as_svix(
        self,
        key: &Key,
        what: &ToSign<'_>,
    ) -> Result<Vec<(&'static str, String)>, SignError> {
        let scheme = self.scheme();
        let names = scheme.names.last().expect("every scheme has names");
        self.sign_as(names, key, what)
    }

    fn sign_as(
        self,
        names: &Names,
        key: &Key,
        what: &ToSign<'_>,
    ) -> Result<Vec<(&'static str, String)>, SignError> {
        let scheme = self.scheme();
        let timestamp = what.timestamp_s.to_string();
        let fields = self.fields(scheme, what)?;
        let values = Values {
            id: what.id,
            timestamp: &timestamp,
            url: what.url,
            fields: &fields,
            body: what.body,
        };
        let algorithm = key.algorithm(scheme.algorithm);
        let bytes = key
            .sign(algorithm, &values.parts(scheme.content))
            .ok_or(SignError::CannotSign { provider: self })?;
        let text = scheme.encoding.write(&bytes);
        let signature = match scheme.form {
            Form::Bare => text,
            Form::Prefixed(prefix) => format!("{prefix}{text}"),
            Form::Pairs {
                separator,
                timestamp: time_name,
                signature,
            } => format!("{time_name}={timestamp}{separator}{signature}={text}"),
            Form::Versions(known) => {
                let version = known
                    .iter()
                    .find(|version| version.algorithm == algorithm)
                    .ok_or(SignError::CannotSign { provider: self })?;
                format!("{},{text}", version.name)
            }
        };
        let id = names.id.map(|name| (name, what.id.to_owned()));
        let time = names.timestamp.map(|name| (name, timestamp));
        Ok(id
            .into_iter()
            .chain(time)
            .chain([(names.signature, signature)])
            .collect())
    }

    fn fields(self, scheme: &Scheme, what: &ToSign<'_>) -> Result<String, SignError> {
        if !scheme.signs(super::format::Part::Fields) {
            return Ok(String::new());
        }
        let is_form = what.content_type.is_some_and(is_form);
        fields(what.url, is_form, what.body).map_err(|error| match error {
            VerifyError::TooManyFields { limit } => SignError::TooManyFields { limit },
            _ => SignError::BodyNotCovered {
                provider: self,
                hash: hex::encode(Sha256::digest(what.body)),
            },
        })
    }
}

//! The only account that this phone serves: who may call the API, and which numbers it owns.

use std::{fmt, str::FromStr};

use subtle::ConstantTimeEq;
use webhooks_core::{
    SecretError,
    scheme::{Key, Provider},
};

use crate::number::PhoneNumber;

/// An account's id: `AC` and 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSid(String);

/// The text is not an account's id.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not an account SID; write AC and 32 hexadecimal digits")]
pub struct NotAnAccountSid(String);

impl AccountSid {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountSid {
    type Err = NotAnAccountSid;

    fn from_str(text: &str) -> Result<Self, NotAnAccountSid> {
        if is_sid(text, "AC") {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAnAccountSid(text.chars().take(40).collect()))
        }
    }
}

/// Whether `text` is a Twilio id: the two letters of the `kind` and 32 hexadecimal digits.
pub(crate) fn is_sid(text: &str, kind: &str) -> bool {
    text.strip_prefix(kind).is_some_and(|digits| {
        digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// The account's token: the password of the API and the key of every signature.
#[derive(Clone)]
pub struct AuthToken {
    text: String,
    key: Key,
}

/// The text cannot be a token, for example because it is empty: everybody would know it.
#[derive(Debug, thiserror::Error)]
#[error("the account's auth token: {0}")]
pub struct NotAnAuthTokenError(#[from] SecretError);

impl AuthToken {
    /// The only way to see it.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The key that makes the signatures.
    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// Compares in constant time.
    pub(crate) fn matches(&self, offered: &str) -> bool {
        self.text.as_bytes().ct_eq(offered.as_bytes()).into()
    }
}

impl FromStr for AuthToken {
    type Err = NotAnAuthTokenError;

    fn from_str(text: &str) -> Result<Self, NotAnAuthTokenError> {
        Ok(Self {
            text: text.to_owned(),
            key: Provider::Twilio.key(text)?,
        })
    }
}

impl fmt::Debug for AuthToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The account, its sending number and the number of the phone on the page.
#[derive(Debug, Clone)]
pub struct Account {
    /// The user name of the API.
    pub sid: AccountSid,
    /// The password of the API and the key of every signature.
    pub token: AuthToken,
    /// The number that the account owns and sends from.
    pub from: PhoneNumber,
    /// The number of the phone that the page shows.
    pub to: PhoneNumber,
}

impl Account {
    /// The development account's id.
    pub const DEVELOPMENT_SID: &str = "AC00000000000000000000000000000000";
    /// The development account's token. It is public: it protects nothing.
    pub const DEVELOPMENT_TOKEN: &str = "dev-phone";
    /// The development account's sending number.
    pub const DEVELOPMENT_FROM: &str = crate::number::MAGIC_SENDER;
    /// The development phone's number.
    pub const DEVELOPMENT_TO: &str = "+15555550100";

    /// The account that is used if none is configured.
    pub fn development() -> Self {
        Self {
            sid: AccountSid(Self::DEVELOPMENT_SID.to_owned()),
            token: Self::DEVELOPMENT_TOKEN.parse().expect("it is not empty"),
            from: PhoneNumber::known(Self::DEVELOPMENT_FROM),
            to: PhoneNumber::known(Self::DEVELOPMENT_TO),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_development_account_passes_its_own_checks() {
        let account = Account::development();
        assert!(account.sid.as_str().parse::<AccountSid>().is_ok());
        assert!(account.token.expose().parse::<AuthToken>().is_ok());
        assert!(account.from.as_str().parse::<PhoneNumber>().is_ok());
        assert!(account.to.as_str().parse::<PhoneNumber>().is_ok());
    }

    #[test]
    fn a_token_never_shows_in_debug_output() {
        let token: AuthToken = "planted-token".parse().unwrap();
        assert_eq!(format!("{token:?}"), "Secret(..)");
        assert!(token.matches("planted-token"));
        assert!(!token.matches("planted-toke"));
        assert!("".parse::<AuthToken>().is_err());
    }

    #[test]
    fn an_account_sid_is_ac_and_32_hexadecimal_digits() {
        for (text, valid) in [
            ("AC00000000000000000000000000000000", true),
            ("ACabcdefABCDEF00000000000000000000", true),
            ("AC0000000000000000000000000000000", false),
            ("SK00000000000000000000000000000000", false),
            ("ACg0000000000000000000000000000000", false),
            ("", false),
        ] {
            assert_eq!(text.parse::<AccountSid>().is_ok(), valid, "{text:?}");
        }
    }
}

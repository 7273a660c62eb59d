//! Where a store is.

#[cfg(feature = "sqlite")]
use std::path::{Path, PathBuf};

use url::Url;

#[cfg(feature = "postgres")]
use super::postgres;
#[cfg(feature = "sqlite")]
use super::sqlite;
use super::{open_error::OpenError, open_settings::OpenSettings, opened::Opened};
use crate::address::credentials::hide_credentials;

/// Where a store is.
pub(crate) enum Address {
    /// `None`: in memory.
    #[cfg(feature = "sqlite")]
    Sqlite(Option<PathBuf>),
    #[cfg(feature = "postgres")]
    Postgres(Box<postgres::address::PostgresAddress>),
}

impl Address {
    pub(crate) fn parse(address: &str) -> Result<Self, OpenError> {
        #[cfg(feature = "sqlite")]
        if let Some(file) = address.strip_prefix("sqlite:") {
            return match file {
                ":memory:" => Ok(Self::Sqlite(None)),
                // A question mark begins options in other libraries; it is not part of a name.
                file if !file.is_empty() && !file.contains('?') => {
                    let file = Path::new(file.strip_prefix("//").unwrap_or(file));
                    Ok(Self::Sqlite(Some(file.to_owned())))
                }
                _ => Err(OpenError::Address(address.to_owned())),
            };
        }
        #[cfg(feature = "postgres")]
        if address.starts_with("postgres://") || address.starts_with("postgresql://") {
            return Ok(Self::Postgres(Box::new(
                postgres::address::PostgresAddress::parse(address)?,
            )));
        }
        // There may be a password in it.
        let shown =
            Url::parse(address).map_or_else(|_| address.to_owned(), |url| hide_credentials(&url));
        Err(OpenError::Address(shown))
    }

    /// Opens the store there.
    pub(crate) async fn open(self, settings: OpenSettings) -> Result<Opened, OpenError> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(file) => {
                let opening =
                    tokio::task::spawn_blocking(move || sqlite::open::open(file, settings));
                let opened = opening
                    .await
                    .map_err(|error| OpenError::Client(error.to_string()))??;
                Ok(Opened::Sqlite(Box::new(opened)))
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(address) => {
                let opened = postgres::open::open(*address, settings).await?;
                Ok(Opened::Postgres(Box::new(opened)))
            }
        }
    }
}

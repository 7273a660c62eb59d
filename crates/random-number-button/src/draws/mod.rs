//! The numbers that were drawn, in the button's own table next to the engine's: a draw and its
//! event are stored in one commit, so that neither ever exists without the other.

mod error;
mod file;
#[cfg(feature = "postgres")]
mod postgres;
mod record;

use webhooks_core::Webhooks;

pub use self::error::DrawError;
use crate::journey::Journey;

/// Where draws are kept.
#[derive(Debug, Clone)]
pub(crate) enum Draws {
    /// In the engine's file.
    File,
    /// In the engine's database, which other buttons may use as well.
    #[cfg(feature = "postgres")]
    Postgres(postgres::Table),
}

impl Draws {
    /// Creates the table if it does not exist.
    pub(crate) async fn open(webhooks: &Webhooks, _address: &str) -> Result<Self, DrawError> {
        #[cfg(feature = "postgres")]
        if is_postgres(_address) {
            return Ok(Self::Postgres(postgres::Table::open(_address).await?));
        }
        file::prepare(webhooks).await?;
        Ok(Self::File)
    }

    /// Stores a draw and sends its event; returns once both are on disk.
    pub(crate) async fn send(
        &self,
        webhooks: &Webhooks,
        customer: &'static str,
        journey: &Journey,
    ) -> Result<(), DrawError> {
        match self {
            Self::File => Ok(file::send(webhooks, customer, journey).await?),
            #[cfg(feature = "postgres")]
            Self::Postgres(table) => table.send(webhooks, customer, journey).await,
        }
    }

    /// The recorded draws, as journeys about which nothing more is known.
    pub(crate) async fn restore(&self, webhooks: &Webhooks) -> Result<Vec<Journey>, DrawError> {
        match self {
            Self::File => Ok(file::restore(webhooks).await?),
            #[cfg(feature = "postgres")]
            Self::Postgres(table) => Ok(table.restore().await?),
        }
    }
}

/// Whether an address is a Postgres database's, by the engine's rules.
pub(crate) fn is_postgres(address: &str) -> bool {
    address.starts_with("postgres://") || address.starts_with("postgresql://")
}

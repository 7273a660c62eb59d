//! What only a store in Postgres has: its migrations, for the app's own migration tool.

pub use crate::store::postgres::migration::{Migration, migrations};

//! What only a store in Postgres has: its tables, for a migration tool of the app's own.

pub use crate::store::postgres::migration::{Migration, migrations};

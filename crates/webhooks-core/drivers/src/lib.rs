//! Only the examples matter: `examples/sqlx.rs` and `examples/diesel.rs`.

//! Chapters for operators.

#[doc = include_str!("../guide/operating.md")]
pub mod operating {}

#[cfg(feature = "postgres")]
#[doc = include_str!("../guide/postgres.md")]
pub mod postgres {}

#[cfg(feature = "postgres")]
#[doc = include_str!("../guide/operating_postgres.md")]
pub mod operating_postgres {}

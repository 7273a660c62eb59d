//! Chapters for those who run it.

#[doc = include_str!("../guide/operating.md")]
pub mod operating {}

//! The page: through its routes, and in a real Chromium.
#![allow(
    clippy::unwrap_used,
    reason = "a helper that fails has failed its test"
)]

mod archive;
mod copies;
mod picture;
mod routes;
mod scene;

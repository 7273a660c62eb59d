//! Receiving webhooks: is this request from whom it claims to be, and is it new?
//!
//! Three parts, each usable alone. [`Verifier`] checks a signature over the raw bytes, for Standard Webhooks and
//! for the providers with formats of their own. [`Verified`] and [`VerifiedBody`] are axum extractors that read
//! the body within a limit, verify it and only then parse it. [`ReplayGuard`] ensures that each id is handled only
//! once, even across restarts and when many copies arrive at the same moment.
//!
//! ```
//! use axum::{Router, http::StatusCode, routing::post};
//! use webhooks_core::receive::{Verified, Verifier};
//!
//! async fn hook(event: Verified<u32>) -> StatusCode {
//!     if event.event_type == "random_number:generate" {
//!         println!("{} drew {}", event.id, event.data);
//!     }
//!     StatusCode::NO_CONTENT
//! }
//!
//! let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse()?;
//! let app: Router = Router::new().route("/", post(hook)).with_state(Verifier::standard([secret]));
//! # Ok::<(), webhooks_core::SecretError>(())
//! ```
//!
//! Give the verifier every secret that may be in use: during a rotation, both the old one and the new one. A
//! request that fails is answered with a status and nothing else, so that an attacker who probes the endpoint
//! learns nothing; the reason is in the log and in the typed error.
//!
//! # What each provider signs
//!
//! | provider | id | timestamp | key for the replay guard |
//! |---|---|---|---|
//! | Standard Webhooks, Svix | signed | signed | the id |
//! | Stripe | inside the body (`id`) | signed | `id` from the body, after verifying |
//! | Slack | inside the body (`event_id`) | signed | `event_id` from the body |
//! | Paddle, Zoom | inside the body (Paddle's `event_id`) | signed | the id from the body, or [`VerifiedBody::body_key`] |
//! | Discord | inside the body (an interaction's `id`) | signed | `id` from the body |
//! | Linear | a header that is **not** signed | inside the body, signed | [`VerifiedBody::body_key`] |
//! | GitHub, Shopify, Meta | a header that is **not** signed, or none | none | [`VerifiedBody::body_key`] |
//! | Twilio | inside the body (`MessageSid`) | none | [`VerifiedBody::body_key`] |
//! | GitLab | a header that is **not** signed | none | [`VerifiedBody::body_key`] |
//!
//! Clerk, Resend and Svix's other customers send Standard Webhooks: use [`Verifier::standard`] with the `whsec_`
//! secret that they show. So does GitLab if the webhook has a signing token; without one, it sends its token in
//! the clear and signs nothing, not even the body.
//!
//! Anyone who records a request from GitHub or Shopify can send it again under another delivery id, years later;
//! only the hash of its body identifies it, for as long as the guard remembers it. The price: two genuine
//! deliveries with the same bytes count as one.

mod extract;
mod rejection;
mod replay;
mod shape;
mod verifier;

pub use crate::scheme::{Challenge, VerifyError, meta_challenge};
pub use extract::{Verified, VerifiedBody};
pub use rejection::Rejection;
pub use replay::{ClaimOutcome, KeyLease, OnceError, OnceOutcome, ReplayError, ReplayGuard};
pub use shape::{Bare, Envelope, Shape, StandardWebhooks};
pub use verifier::{Verification, Verifier};

//! The testing kit: a [`Receiver`] with scripted answers, a [`ManualClock`] that tests move, and
//! [`Webhooks::drain`](crate::Webhooks::drain).
//!
//! ```
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::{sync::Arc, time::Duration};
//! use webhooks_core::{Event, Webhooks, testing::{ManualClock, Receiver}};
//!
//! let clock = Arc::new(ManualClock::default());
//! let receiver = Receiver::start().await?;
//! receiver.respond([500, 200]);
//! let webhooks = Webhooks::builder()
//!     .allow_networks(["127.0.0.0/8"])?
//!     .clock(clock.clone())
//!     .open("sqlite::memory:")
//!     .await?;
//! webhooks.endpoints("acme").add(receiver.url()).await?;
//! webhooks.send("acme", Event::new("random_number:generate", &863)).await?;
//! webhooks.drain().await;
//! assert_eq!(receiver.requests().len(), 1);
//! clock.advance(Duration::from_secs(6));
//! webhooks.drain().await;
//! assert_eq!(receiver.requests().len(), 2);
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
//! ```

mod drain;
mod hold;
#[cfg(feature = "postgres")]
mod lease;
#[cfg(feature = "postgres")]
mod look_wait;
mod manual_clock;
mod receiver;

pub use hold::WriterHold;
pub use manual_clock::ManualClock;
pub use receiver::{Answer, ReceivedRequest, Receiver};

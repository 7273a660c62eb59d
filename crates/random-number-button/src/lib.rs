//! A page with one button: it draws a random number and sends it as a webhook.
//!
//! [`Button`] draws, sends and keeps each number's journey; [`app`] is the page on top of it.
//! Delivering, retrying and signing is `webhooks-core`'s work; what becomes of the text is asked
//! of the texter.

mod app;
mod breakage;
mod button;
mod deliveries;
mod draws;
mod endpoints;
mod follower;
mod journey;
mod journeys;
mod moment;
mod page;
mod polis;
mod polling;
mod press_limit;
mod said;
mod sent;
mod settings;
mod story;
mod target;
#[cfg(feature = "postgres")]
mod twin;

pub use app::app;
pub use button::{Button, Draw, OpenError, random_number};
pub use draws::DrawError;
pub use endpoints::ReconcileError;
pub use press_limit::Allowed;
pub use settings::{Settings, TwinAt, VARIABLES};
pub use target::Target;

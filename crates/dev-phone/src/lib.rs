//! Twilio's Messages API, offline, with a phone on a web page.
//!
//! Point a program that texts through Twilio at this server instead: it accepts the same calls,
//! gives the same answers and makes the same signed callbacks, and the texts arrive on a phone
//! that a person, or a test, can read and reply with. Switches make it misbehave as networks do.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use dev_phone::{Config, Pace, Phone};
//!
//! let phone = Phone::new(Config { pace: Pace::INSTANT, ..Config::default() })?;
//! let router = dev_phone::app(phone.clone()); // serve it, or call it in a test
//! phone.set_switches(phone.switches().with([("airplane", "on")])?);
//! assert!(phone.messages().is_empty());
//! # drop(router);
//! # Ok(())
//! # }
//! ```
//!
//! # Switches for programs
//!
//! `GET /switches` returns their positions as JSON, `POST /switches` sets those that a form or a
//! flat JSON object names, and `POST /switches/reset` resets all of them:
//!
//! | name | values |
//! |---|---|
//! | `answer` | what a request to send gets: `accept`, `too_many_requests` (429, 20429), `queue_full` (429, 21611), `server_error` (500), `drop` (the connection closes, no text is accepted), `accept_then_drop` (the text is accepted, the connection closes) |
//! | `times` | for how many requests `answer` applies; empty: until it is switched |
//! | `airplane` | `on` or `off`: texts are accepted but end undelivered |
//! | `delivery_error` | why: `30003`, `30005`, `30006`, `30007` or `30008` |
//! | `slow_seconds` | `0` to `60`: how much longer each answer to a send and each step of a text takes |
//!
//! `POST /reply` with `body` writes a text on the phone and reports what became of it:
//! `{"sid": "SM…", "delivered": true, "note": "Delivered: answered 200 in 3 ms, …"}`.
//!
//! It is deliberately not a telephone company: nothing leaves this machine but the callbacks and
//! replies that a program asks for, and only the Messages resource exists.

mod account;
mod api;
mod bubble;
mod call_url;
mod caller;
mod clock;
mod control;
mod draft;
mod exchange;
mod inbox;
mod journey;
mod keep;
mod listing;
mod message;
mod number;
mod pace;
mod page;
mod phone;
mod refusal;
mod reply;
mod segments;
mod settings;
mod signature;
mod start;
mod switches;
mod twiml;

use axum::{Router, extract::DefaultBodyLimit};

pub use account::{Account, AccountSid, AuthToken, NotAnAccountSid, NotAnAuthTokenError};
pub use call_url::{CallUrl, NotCallUrlError};
pub use clock::{Clock, Ids};
pub use exchange::Tone;
pub use inbox::TEXTS_KEPT;
pub use keep::KeepError;
pub use message::{Direction, Message, MessageSid, Note, Status};
pub use number::{NotANumber, PhoneNumber};
pub use pace::Pace;
pub use phone::{Config, Phone, StartError};
pub use reply::{Replied, ReplyError};
pub use segments::{Encoding, segments};
pub use settings::{Flags, Settings};
pub use signature::sign;
pub use switches::{Answer, BadSwitches, DeliveryError, SLOWEST, Switches};

/// The largest body of a request: a text of 1600 characters, each written as twelve bytes of
/// percent-encoding, and the other fields.
const LARGEST_REQUEST_BYTES: usize = 64 * 1024;

/// The phone's API and page as one router.
///
/// Both are closed to other web sites: the development account's token is public, so a page
/// somewhere could otherwise make a visitor's browser send texts, read them, or have the phone
/// call any URL. Programs, which send no `Origin`, pass.
pub fn app(phone: Phone) -> Router {
    let names = phone.names().to_vec();
    let router = Router::new()
        .merge(api::routes())
        .merge(page::routes())
        .merge(control::routes())
        .merge(page::ASSETS.routes())
        .layer(DefaultBodyLimit::max(LARGEST_REQUEST_BYTES))
        .with_state(phone);
    serve::protect(serve::same_origin(router, names))
}

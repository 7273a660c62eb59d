//! random-number-texter: receives webhooks and texts the number in them, once, through Twilio's
//! Messages API.
//!
//! # `POST /`: a webhook
//!
//! The body is `{"id": "<string>", "event": "random_number:generate", "data": <number or string>}`.
//! `Here's a random number: 863` is texted, and the answer is, in the order of the checks:
//!
//! | status | meaning |
//! |---|---|
//! | 413 | the body is larger than 64 KiB |
//! | 401 | `WEBHOOK_SECRET` is set and the signature does not verify; the reason is in the log only |
//! | 202 | not `application/json`, or another event: nothing is sent |
//! | 400, 422 | not JSON; or `id`, `event` or `data` is missing or not of the right kind |
//! | 201 | Twilio has the text; the body is the webhook's own. Also for each further copy of the event |
//! | 202 | Twilio will never accept the text: `reason` says why; nothing is tried again |
//! | 503 | not now: Twilio failed or did not answer. Try again after `Retry-After` |
//! | 429 | `SMS_DAILY_LIMIT` is reached; `Retry-After` ends at midnight UTC |
//!
//! Every answer but 201 has the body `{"texted": false, "reason": "<words>"}`.
//!
//! **Once.** Each event id has one row in the store, which is claimed before Twilio is asked, so
//! that copies that come later, at the same time, or after a restart are not texted. The id is the
//! body's `id`, else the header `webhook-id`; an event with neither can't be told from another and
//! is texted each time it comes. The latest 100,000 ids are remembered, for 30 days.
//!
//! **Doubt.** Twilio has no idempotency key. When a request was sent and no answer came, when
//! Twilio answered 5xx, or when this program ended in between, the text may exist. Before it is
//! sent again (when its event comes again), Twilio is asked to list its texts, and one that says
//! the same and belongs to no other event is taken to be it. A text that is not listed is sent
//! again at once after a 5xx, 30 seconds after a connection that broke, and 90 seconds after
//! silence (or 504, a gateway's report of it): until then it may still appear.
//!
//! **The limit.** A text counts toward its UTC day from before Twilio is asked, and stops counting
//! once it is certain that it was not sent. Beyond the limit the answer is 429, so that nothing is
//! lost: a sender that keeps trying for more than a day, as webhooks-core does, gets the text
//! through the next day.
//!
//! # `GET /texts/<event id>`: the journey of a text
//!
//! ```json
//! {
//!   "event_id": "0199…",
//!   "status": "undelivered",
//!   "sid": "SM…",
//!   "error_code": 30003,
//!   "error_message": "the phone is off or out of reach",
//!   "updated_at": "2015-09-28T16:30:00.123Z"
//! }
//! ```
//!
//! All six keys are always there; `sid`, `error_code` and `error_message` may be `null`. No phone
//! number is in it. `status` is one of
//!
//! | status | meaning | final |
//! |---|---|---|
//! | `waiting` | the text is being given to Twilio; or, with an `error_message`, Twilio did not accept it and the webhook's sender should try again | |
//! | `unknown` | Twilio may have the text; `error_message` says why that is not known | |
//! | `queued`, `sending` | Twilio has it | |
//! | `sent` | the carrier has it | |
//! | `delivered` | it reached the phone | yes |
//! | `undelivered`, `failed` | it did not reach the phone, or was not sent | yes |
//! | `refused` | Twilio will never accept it | yes |
//!
//! A status moves down this table, or back and forth between the first two, but never back from a
//! later one. Without status callbacks (`PUBLIC_URL`) it stays at Twilio's first answer. An event
//! that is not known is answered 404 with `{"error": "<words>"}`.
//!
//! `GET /texts/<event id>/events` reports the same as server-sent events: one at once, one at each
//! change, each with the JSON above as its data. The stream ends after a final status, after 15
//! minutes, and when the texter stops; then ask again. 404 as above; 503 if 128 are already followed.
//!
//! # `POST /status/<text>`
//!
//! Twilio's status callbacks, verified by their `X-Twilio-Signature`. `GET /` is a page for people.
//!
//! # `POST /down`
//!
//! Only while `SMS_TWILIO_BASE_URL` is on a loopback address, so with no real account: answers
//! 202 and refuses connections for [`DOWN_TIME`]. It exists to show what a sender does then.

mod app;
mod config;
mod doubt;
mod downtime;
mod event;
mod flights;
mod journey;
mod ledger;
mod number;
mod once;
mod outcome;
mod page;
mod signature;
mod sms;
mod status;
mod text;
mod texter;
mod times;
mod twilio;
mod webhook;

pub use app::app;
pub use config::{Account, AccountError, Config, VARIABLES};
pub use downtime::DOWN_TIME;
pub use ledger::{LedgerError, StoreLocation};
pub use number::PhoneNumber;
pub use sms::{Created, Found, Sms};
pub use texter::{OpenError, Texter};
pub use times::{Clock, TimeLimits, system_clock};

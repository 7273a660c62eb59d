//! The event of every benchmark, with a body of about 200 bytes.

use serde::Serialize;
use webhooks_core::Event;

/// The type of every event.
pub(crate) const EVENT_TYPE: &str = "random_number:generate";

/// Pads the body to about 200 bytes.
const PADDING: &str = "a random number, with some words beside it to make it as long as a webhook";

#[derive(Serialize)]
struct Data(u64, u64, &'static str);

/// Event number `number`, sent or scheduled to be sent at `at_ns`.
pub(crate) fn event(number: u64, at_ns: u64) -> Event {
    Event::new(EVENT_TYPE, &Data(number, at_ns, PADDING))
}

/// The body of the same event, as the engine would make it.
pub(crate) fn body(id: &str, number: u64, at_ns: u64) -> String {
    format!(r#"{{"id":"{id}","event":"{EVENT_TYPE}","data":[{number},{at_ns},"{PADDING}"]}}"#)
}

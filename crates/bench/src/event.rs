//! The event of every benchmark: about 200 bytes of body.

use serde::Serialize;
use webhooks_core::Event;

use crate::receiver::now_ns;

/// Makes a body about 200 bytes long.
const PADDING: &str =
    "a random number, and some words to make it as long as a small webhook is: about two hundred";

#[derive(Serialize)]
struct Data(u64, u64, &'static str);

/// Event number `number`, sent now.
pub fn event(number: u64) -> Event {
    Event::new("random_number:generate", &Data(number, now_ns(), PADDING))
}

/// The body of the same event, as the engine would make it.
pub fn body(id: &str, number: u64) -> String {
    format!(
        r#"{{"id":"{id}","event":"random_number:generate","data":[{number},{},"{PADDING}"]}}"#,
        now_ns()
    )
}

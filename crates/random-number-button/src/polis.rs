//! Finds a webhook on polis's page: polis numbers requests in its own order, so it must be asked
//! which of them is which attempt of an event.

use std::time::Duration;

use serde::Deserialize;

/// polis is on this machine or near it; a link should not hang longer than this.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

#[derive(Debug, Deserialize)]
struct Listed {
    requests: Vec<Request>,
}

#[derive(Debug, Deserialize)]
struct Request {
    id: u64,
    delivery: Option<Delivery>,
}

#[derive(Debug, Deserialize)]
struct Delivery {
    attempt: u32,
}

/// The URL at which polis, whose page is at `page`, shows the `attempt`th request of `event_id`;
/// its list of the event's requests if it does not answer.
pub(crate) async fn find(
    client: &reqwest::Client,
    page: &str,
    event_id: &str,
    attempt: u32,
) -> String {
    let query: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("delivery", event_id)
        .finish();
    let listed = async {
        let answer = client
            .get(format!("{page}/api/requests?{query}"))
            .timeout(ANSWER_LIMIT)
            .send()
            .await?
            .error_for_status()?;
        answer.bytes().await
    };
    let found = match listed.await {
        Ok(body) => serde_json::from_slice::<Listed>(&body).ok(),
        Err(error) => {
            tracing::warn!(%error, "polis can't be asked which request it was");
            None
        }
    };
    let is_it = |request: &&Request| {
        request
            .delivery
            .as_ref()
            .is_some_and(|delivery| delivery.attempt == attempt)
    };
    match found.iter().flat_map(|listed| &listed.requests).find(is_it) {
        Some(request) => format!("{page}/requests/{}", request.id),
        None => format!("{page}/?{query}"),
    }
}

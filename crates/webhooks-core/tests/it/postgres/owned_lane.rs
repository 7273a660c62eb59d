//! The lane of an endpoint whose order holds over all nodes: owned from its start, and for as long as
//! the endpoint is there.

use scratch_postgres::Database;
use webhooks_core::{EndpointState, NewEndpoint};

use super::{open, until};

#[tokio::test]
async fn an_ordered_endpoint_that_was_disabled_for_a_while_has_a_lane_that_one_node_owns() {
    let database = Database::create().unwrap();
    let webhooks = open(&database).await;
    let endpoints = webhooks.endpoints("acme");
    let endpoint = NewEndpoint::new("http://127.0.0.1:1/").ordered(true);
    let id = endpoints.add(endpoint).await.unwrap().id;
    let lanes = || database.query("select owned from hooks.lane").unwrap();
    assert_eq!(lanes().trim(), "t");
    endpoints.disable(&id, "for a while").await.unwrap();
    until("what it was owed is ended", async || {
        webhooks.drain().await;
        lanes().trim().is_empty()
    })
    .await;
    endpoints.enable(&id).await.unwrap();
    let state = endpoints.get(&id).await.unwrap().state;
    assert_eq!(state, EndpointState::Active);
    assert_eq!(lanes().trim(), "t");
}

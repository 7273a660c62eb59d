//! The outbox table, filled by other programs: plain SQL by psql, and a trigger of the app's.

use scratch_postgres::Database;
use serde_json::json;
use webhooks_core::testing::{ReceivedRequest, Receiver};

use super::open;

/// The app's own table, and a trigger that has each of its rows told.
const ORDERS: &str = "
    create table orders (number int primary key, item text not null);
    create function order_placed() returns trigger language plpgsql as $$ begin
        insert into hooks.outbox (customer, type, data, event_id)
        values ('acme', 'order:placed', json_build_object('number', new.number, 'item', new.item), 'order-' || new.number);
        return new;
    end $$;
    create trigger order_placed after insert on orders for each row execute function order_placed()";

#[tokio::test]
async fn what_another_program_inserts_is_delivered_and_so_is_what_a_trigger_does() {
    let database = Database::create().unwrap();
    let webhooks = open(&database).await;
    let receiver = Receiver::start().await.unwrap();
    webhooks
        .endpoints("acme")
        .add(receiver.url())
        .await
        .unwrap();
    let insert = |number: u8, item: &str| {
        let data = json!({"number": number, "item": item});
        let insert = format!(
            "insert into hooks.outbox (customer, type, data, event_id)
             values ('acme', 'order:placed', '{data}', 'order-{number}')"
        );
        database.query(&insert).unwrap();
    };
    insert(1, "a book");
    let first = receiver.wait_for(1).await.remove(0);
    assert_eq!(first.header("webhook-id"), "order-1");
    assert_eq!(
        first.json(),
        json!({"id": "order-1", "event": "order:placed", "data": {"number": 1, "item": "a book"}})
    );

    database.query(ORDERS).unwrap();
    let both = "begin; insert into orders values (2, 'kept'), (3, 'kept'); commit;
                begin; insert into orders values (4, 'not kept'); rollback";
    database.query(both).unwrap();
    // The same again: it is one event.
    insert(2, "kept");
    let mut requests: Vec<ReceivedRequest> = receiver.wait_for(3).await;
    webhooks.check_outbox().await.unwrap();
    webhooks.drain().await;
    requests.sort_by_key(|request| request.header("webhook-id").to_owned());
    let items: Vec<_> = requests
        .iter()
        .map(|request| request.json()["data"]["item"].clone())
        .collect();
    assert_eq!(items, ["a book", "kept", "kept"]);
    assert_eq!(receiver.requests().len(), 3);
    assert_eq!(
        database
            .query("select count(*) from hooks.outbox")
            .unwrap()
            .trim(),
        "0"
    );
}

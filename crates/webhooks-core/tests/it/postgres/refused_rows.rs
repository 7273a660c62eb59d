//! Rows that a constraint or a trigger of the app's refuses, on our tables: what stands beside them in a
//! transaction is stored.

use futures_util::future::join_all;
use scratch_postgres::Database;
use webhooks_core::{
    Event, NewEndpoint, RefusedRow, SendError, StoreError, Webhooks, testing::Receiver,
};

use super::{open, until};

/// Events of type "bad" are refused by a trigger, those of type "worse" by a constraint, and those of type
/// "worst" where the trigger is wrong.
const REFUSES: [&str; 3] = [
    "create function hooks.refuse() returns trigger language plpgsql as $$ begin
         if new.type = 'bad' then raise exception 'no bad events'; end if;
         if new.type = 'worst' then perform * from no_such_table; end if;
         return new;
     end $$",
    "create trigger refuse before insert on hooks.event for each row execute function hooks.refuse()",
    "alter table hooks.event add constraint not_worse check (type <> 'worse')",
];
const REFUSED: [&str; 3] = ["bad", "worse", "worst"];
/// What is said of each.
const REASONS: [&str; 3] = ["no bad events", "not_worse", "no_such_table"];

fn run(database: &Database, statements: &[&str]) {
    for statement in statements {
        database.query(statement).unwrap();
    }
}

async fn nothing_is_pending(webhooks: &Webhooks) {
    until("nothing is pending", async || {
        webhooks.pending().await.unwrap() == 0
    })
    .await;
}

/// Rows of the outbox table that are stored in one transaction, but for one in ten.
const ROWS: usize = 200;

fn refused_type(row: usize) -> Option<usize> {
    (row % 10 == 7).then_some(row % REFUSED.len())
}

#[tokio::test]
async fn a_row_whose_event_is_refused_stays_with_its_reason_and_holds_nothing_up() {
    let database = Database::create().unwrap();
    let webhooks = open(&database).await;
    let receiver = Receiver::start().await.unwrap();
    let customers = ["acme", "other"];
    for customer in customers {
        let endpoint = NewEndpoint::new(receiver.url()).ordered(true);
        webhooks.endpoints(customer).add(endpoint).await.unwrap();
    }
    run(&database, &REFUSES);
    let rows: Vec<String> = (0..ROWS)
        .map(|row| {
            let customer = customers[row % 2];
            let event_type = refused_type(row).map_or("a", |of| REFUSED[of]);
            format!("('{customer}', '{event_type}', '1', 'e{row}')")
        })
        .collect();
    let rows = rows.join(",");
    let insert = format!("insert into hooks.outbox (customer, type, data, event_id) values {rows}");
    database.query(&insert).unwrap();
    webhooks.check_outbox().await.unwrap();
    nothing_is_pending(&webhooks).await;

    let ids = |is_wanted: &dyn Fn(usize) -> bool| -> Vec<String> {
        let wanted = (0..ROWS).filter(|row| is_wanted(*row));
        wanted.map(|row| format!("e{row}")).collect()
    };
    let arrived = receiver.event_ids();
    for customer in 0..customers.len() {
        let wanted = ids(&|row| refused_type(row).is_none() && row % 2 == customer);
        let of_customer = arrived.iter().filter(|id| wanted.contains(id));
        assert!(of_customer.eq(&wanted), "{arrived:?}");
    }
    let refused = webhooks.refused_in_outbox(0).await.unwrap();
    let refused_ids = refused.iter().map(|row| row.event_id.clone().unwrap());
    assert_eq!(
        refused_ids.collect::<Vec<_>>(),
        ids(&|row| refused_type(row).is_some())
    );
    for RefusedRow {
        event_type, reason, ..
    } in &refused
    {
        let of = REFUSED.iter().position(|refused| refused == event_type);
        assert!(reason.contains(REASONS[of.unwrap()]), "{reason}");
    }
    assert_eq!(
        database.query("select count(*) from hooks.outbox").unwrap(),
        refused.len().to_string()
    );

    run(
        &database,
        &[
            "drop function hooks.refuse cascade",
            "alter table hooks.event drop constraint not_worse",
        ],
    );
    for row in &refused {
        assert!(webhooks.retry_refused(row.id).await.unwrap());
    }
    nothing_is_pending(&webhooks).await;
    assert_eq!(receiver.requests().len(), ROWS);
}

/// What is checked at the commit says of no row that it is the one.
#[tokio::test]
async fn a_row_whose_event_is_refused_at_the_commit_holds_nothing_up() {
    let database = Database::create().unwrap();
    let webhooks = open(&database).await;
    let receiver = Receiver::start().await.unwrap();
    let endpoints = webhooks.endpoints("acme");
    endpoints.add(receiver.url()).await.unwrap();
    run(
        &database,
        &[
            REFUSES[0],
            "create constraint trigger refuse after insert on hooks.event
             deferrable initially deferred for each row execute function hooks.refuse()",
            "insert into hooks.outbox (customer, type, data)
             select 'acme', case when n = 7 then 'bad' else 'a' end, '1' from generate_series(1, 20) n",
        ],
    );
    receiver.wait_for(19).await;
    nothing_is_pending(&webhooks).await;
    let refused = webhooks.refused_in_outbox(0).await.unwrap();
    assert_eq!(refused.len(), 1);
    assert!(refused[0].reason.contains("no bad events"), "{refused:?}");
}

/// What refuses everything for a while is not the rows' fault.
#[tokio::test]
async fn a_table_that_is_missing_for_a_while_refuses_no_row() {
    let database = Database::create().unwrap();
    let webhooks = open(&database).await;
    let receiver = Receiver::start().await.unwrap();
    let endpoints = webhooks.endpoints("acme");
    endpoints.add(receiver.url()).await.unwrap();
    database
        .query("alter table hooks.event rename to events")
        .unwrap();
    let insert = "insert into hooks.outbox (customer, type, data) values ('acme', 'a', '1')";
    database.query(insert).unwrap();
    webhooks.check_outbox().await.unwrap_err();
    assert_eq!(webhooks.refused_in_outbox(0).await.unwrap(), []);
    database
        .query("alter table hooks.events rename to event")
        .unwrap();
    webhooks.check_outbox().await.unwrap();
    receiver.wait_for(1).await;
}

/// Calls in one transaction.
const CALLS: usize = 40;

fn customer(call: usize) -> String {
    format!("customer{}", call % 5)
}

/// `event`: of a number and a type. `beside`: what else is asked in the same transaction.
async fn calls_are_stored_beside_refused_ones(
    event: impl Fn(usize, &str) -> Event,
    beside: impl AsyncFnOnce(&Webhooks),
) {
    let database = Database::create().unwrap();
    let webhooks = open(&database).await;
    let receiver = Receiver::start().await.unwrap();
    for call in 0..CALLS {
        let endpoints = webhooks.endpoints(customer(call));
        if endpoints.list().await.unwrap().is_empty() {
            let endpoint = NewEndpoint::new(receiver.url()).ordered(call % 4 == 0);
            endpoints.add(endpoint).await.unwrap();
        }
    }
    run(&database, &REFUSES);
    let hold = webhooks.hold_writer().await.unwrap();
    let sends = (0..CALLS).map(|call| {
        let event_type = refused_type(call).map_or("a", |of| REFUSED[of]);
        let (webhooks, customer) = (webhooks.clone(), customer(call));
        // Two events of one call are stored together or not at all.
        let events = [event(2 * call, "a"), event(2 * call + 1, event_type)];
        tokio::spawn(async move { webhooks.send_all(&customer, events).await })
    });
    let sends: Vec<_> = sends.collect();
    tokio::join!(biased; beside(&webhooks), async {
        tokio::task::yield_now().await;
        drop(hold);
    });
    let mut stored = 0;
    for (call, sent) in join_all(sends).await.into_iter().enumerate() {
        match (refused_type(call), sent.unwrap()) {
            (None, sent) => stored += sent.unwrap().len(),
            (Some(of), Err(SendError::Store(StoreError::Database(error)))) => {
                let said = error.to_string();
                assert!(said.contains(REASONS[of]), "{said}");
            }
            (Some(_), sent) => panic!("{sent:?}"),
        }
    }
    nothing_is_pending(&webhooks).await;
    assert_eq!(receiver.requests().len(), stored);
    let events = database.query("select count(*) from hooks.event");
    assert_eq!(events.unwrap(), stored.to_string());
    // What memory counted in for those that were refused is counted out.
    webhooks.drain().await;
}

#[tokio::test]
async fn a_send_that_is_refused_fails_no_other_of_its_batch() {
    let event = |_, event_type: &str| Event::new(event_type, &1);
    calls_are_stored_beside_refused_ones(event, async |_| {}).await;
}

#[tokio::test]
async fn a_send_with_an_id_that_is_refused_fails_no_other_of_its_batch() {
    let event = |n, event_type: &str| Event::new(event_type, &1).id(format!("e{n}"));
    calls_are_stored_beside_refused_ones(event, async |webhooks| {
        let endpoints = webhooks.endpoints("new");
        endpoints.add("https://new.example/").await.unwrap();
    })
    .await;
}

/// An outcome is refused by this status.
const REFUSES_OUTCOMES: [&str; 2] = [
    "create function hooks.refuse() returns trigger language plpgsql as $$ begin
         if new.status = 299 then raise exception 'no such status'; end if;
         return new;
     end $$",
    "create trigger refuse before insert on hooks.attempt for each row execute function hooks.refuse()",
];

#[tokio::test]
async fn an_outcome_that_is_refused_waits_and_holds_nothing_up() {
    let database = Database::create().unwrap();
    let webhooks = open(&database).await;
    let receiver = Receiver::start().await.unwrap();
    let endpoints = webhooks.endpoints("acme");
    endpoints.add(receiver.url()).await.unwrap();
    run(&database, &REFUSES_OUTCOMES);
    let refused = (0..CALLS).filter(|call| refused_type(*call).is_some());
    let refused: Vec<String> = refused.map(|call| format!("e{call}")).collect();
    for id in &refused {
        receiver.respond_to(id, [299]);
    }
    let send = async |from: usize| {
        let sends = (from..from + CALLS).map(|call| {
            let event = Event::new("a", &1).id(format!("e{call}"));
            webhooks.send("acme", event)
        });
        for sent in join_all(sends).await {
            sent.unwrap();
        }
    };
    send(0).await;
    until("all others are stored", async || {
        webhooks.pending().await.unwrap() == refused.len() as u64
    })
    .await;
    // None is in a batch with one that is refused again, or it does not mind.
    for round in 1..=5 {
        send(round * CALLS).await;
    }
    until("all others are stored", async || {
        webhooks.pending().await.unwrap() == refused.len() as u64
    })
    .await;
    database
        .query("drop function hooks.refuse cascade")
        .unwrap();
    nothing_is_pending(&webhooks).await;
    assert_eq!(receiver.requests().len(), 6 * CALLS, "each once");
    let attempts = database.query("select count(*) from hooks.attempt where status = 299");
    assert_eq!(attempts.unwrap(), refused.len().to_string());
}

//! How much is read for each thing that is done, and in which indexes: on empty tables, on those that were
//! vacuumed while they were empty, and on large ones with and without statistics of them. A plan that reads a whole
//! table is found here, whatever it looks like.

mod ground;

use std::time::Duration;

use sqlx::{Connection, PgConnection};
use webhooks_core::{
    DeliveryFilter, EndpointId, Event, NewEndpoint, Replay, ReplayOutcome, RetrySchedule,
};

use super::{open, until};
use ground::{Ground, LARGE, OLD_ROWS, Round};

/// Where it is looked for an event with an id that was chosen.
const IDS: [&str; 4] = [
    "delivery_lane",
    "event_id_customer_idx",
    "event_key_pkey",
    "event_pkey",
];
/// What is read of an event to show it, or to send it again.
const HISTORY: [&str; 6] = [
    "attempt_pkey",
    "delivery_lane",
    "ending_pkey",
    "event_customer_seq_idx",
    "event_id_customer_idx",
    "event_pkey",
];
/// All that is pending is read for the gauges, as time passes.
const GAUGES: [&str; 3] = ["delivery", "event_pkey", "lane"];
const READ_FOR_GAUGES: u64 = 6 * LARGE;
/// Events that are sent and delivered in each round.
const SENT: u64 = 300;
/// Rows and index entries that one send with its delivery may read, over all tables: with what the
/// due loop and the beats read meanwhile it was 5 to 9.
const READ_A_DELIVERY: u64 = 30;
/// The same for what a person asks: a page looks through some thousand events. And for some of what happens
/// now and then, which meets the entries of what it did before: far less than a large table.
const READ_A_QUESTION: u64 = 20_000;
/// Of each thing that happens now and then.
const RARE: u64 = 50;

async fn send_and_deliver(ground: &Ground, event_type: &str, round: Round) {
    let before = ground.receiver.requests().len();
    let sends = (0..SENT).map(|n| {
        let event = Event::new(event_type, &n);
        // The others are sent as most are.
        let event = if n < SENT / 2 {
            event.id(format!("{round:?}{event_type}{n}"))
        } else {
            event
        };
        ground.webhooks.send("acme", event)
    });
    for sent in futures_util::future::join_all(sends).await {
        assert_eq!(sent.unwrap().deliveries, 1);
    }
    let sent = usize::try_from(SENT).unwrap();
    ground.receiver.wait_for(before + sent).await;
    ground.webhooks.drain().await;
}

#[tokio::test]
async fn no_more_is_read_beside_large_tables_than_beside_empty_ones() {
    let ground = Ground::new(|builder| builder).await;
    for round in Round::ALL {
        ground.begin(round);
        for (event_type, what) in [("a", "deliveries"), ("b", "deliveries in order")] {
            let limit = READ_A_DELIVERY * SENT;
            ground
                .reads_within(limit, &IDS, (round, what), async || {
                    send_and_deliver(&ground, event_type, round).await;
                })
                .await;
        }
    }
    let in_rounds = Round::ALL.len() * usize::try_from(SENT).unwrap() * 2;
    // What the paused endpoint is owed is due when it is resumed: its head, not all of it at once.
    let other = ground.webhooks.endpoints("other");
    let heads = 2_000;
    let most = READ_A_DELIVERY * 3 * heads;
    ground
        .reads_within(
            most,
            &IDS,
            (Round::Outgrown, "deliveries of a lane"),
            async || {
                other.resume(&ground.paused).await.unwrap();
                let heads = usize::try_from(heads).unwrap();
                ground.receiver.wait_for(in_rounds + heads).await;
                other.pause(&ground.paused).await.unwrap();
            },
        )
        .await;
}

/// Every question by itself, where there is much to read; where there is little, all together.
#[tokio::test]
async fn no_question_reads_a_whole_table() {
    let ground = Ground::new(|builder| builder).await;
    for round in Round::ALL {
        ground.begin(round);
        for event_type in ["a", "b"] {
            send_and_deliver(&ground, event_type, round).await;
        }
        let ids = [(&ground.usual, "a"), (&ground.ordered, "b")];
        let questions = ids.into_iter().flat_map(|(id, event_type)| {
            let explain = (id, event_type, None);
            let filters = [
                DeliveryFilter::Pending,
                DeliveryFilter::Ended,
                DeliveryFilter::Failed,
                DeliveryFilter::All,
            ];
            let lists = filters.map(|filter| (id, event_type, Some(filter)));
            std::iter::once(explain).chain(lists)
        });
        let questions: Vec<_> = questions.collect();
        if round.is_large() {
            for question in questions {
                let what = format!("{:?} of {:?}", question.2, question.1);
                ground
                    .reads_within(READ_A_QUESTION, &HISTORY, (round, &what), async || {
                        ask(&ground, question, round).await;
                    })
                    .await;
            }
        } else {
            let limit = READ_A_QUESTION;
            ground
                .reads_within(limit, &HISTORY, (round, "all questions"), async || {
                    for question in questions {
                        ask(&ground, question, round).await;
                    }
                })
                .await;
        }
    }
}

async fn ask(
    ground: &Ground,
    (id, event_type, filter): (&EndpointId, &str, Option<DeliveryFilter>),
    round: Round,
) {
    let Some(filter) = filter else {
        let event = format!("{round:?}{event_type}1");
        let explained = ground.webhooks.explain("acme", &event, id).await;
        explained.unwrap();
        return;
    };
    let endpoints = ground.webhooks.endpoints("acme");
    let page = endpoints.deliveries(id, filter, None, 20).await;
    page.unwrap();
}

/// What has failed is due so soon.
const RETRY_WAIT: Duration = Duration::from_millis(100);

#[tokio::test]
async fn what_happens_now_and_then_reads_no_whole_table() {
    let soon = RetrySchedule::new([RETRY_WAIT; 3]).unwrap();
    let ground = Ground::new(|builder| builder.retry(soon)).await;
    for round in Round::OF_SIZES {
        ground.begin(round);
        retries(&ground, round).await;
        events_of_an_app(&ground, round).await;
        changes_of_a_person(&ground, round).await;
    }
}

#[tokio::test]
async fn nodes_and_days_that_end_read_what_is_pending_a_few_times() {
    let ground = Ground::new(|builder| builder).await;
    for event_type in ["a", "b"] {
        send_and_deliver(&ground, event_type, Round::Empty).await;
    }
    for round in Round::OF_SIZES {
        ground.begin(round);
        an_end_of_a_node(&ground, round).await;
        an_old_day(&ground, round).await;
    }
}

/// Outcomes that date a delivery, and what is due then.
async fn retries(ground: &Ground, round: Round) {
    let receiver = &ground.receiver;
    let limit = READ_A_QUESTION + READ_FOR_GAUGES;
    ground
        .reads_within(limit, &GAUGES, (round, "retries"), async || {
            for n in 0..RARE {
                let before = receiver.requests().len();
                let id = format!("{round:?}-retried{n}");
                receiver.respond_to(&id, [500, 200]);
                let event = Event::new("a", &n).id(id);
                ground.webhooks.send("acme", event).await.unwrap();
                until("it is tried again", async || {
                    ground.clock.advance(RETRY_WAIT);
                    receiver.requests().len() == before + 2
                })
                .await;
            }
        })
        .await;
}

/// Of its own transactions, and by way of the outbox table.
async fn events_of_an_app(ground: &Ground, round: Round) {
    let receiver = &ground.receiver;
    let rare = usize::try_from(RARE).unwrap();
    let mut app = PgConnection::connect(ground.database.url()).await.unwrap();
    let limit = READ_A_QUESTION;
    for event_type in ["a", "b"] {
        let what = format!("send_in of {event_type:?}");
        ground
            .reads_within(
                limit,
                &["arrival_pkey", "delivery_lane", "event_pkey"],
                (round, &what),
                async || {
                    let before = receiver.requests().len();
                    for n in 0..RARE {
                        let mut tx = app.begin().await.unwrap();
                        let event = Event::new(event_type, &n);
                        let sent = ground.webhooks.send_in(&mut tx, "acme", event).await;
                        tx.commit().await.unwrap();
                        sent.unwrap().deliver_now();
                    }
                    receiver.wait_for(before + rare).await;
                    ground.webhooks.drain().await;
                },
            )
            .await;
    }
    ground
        .reads_within(
            limit,
            &["outbox_pkey"],
            (round, "rows of the outbox table"),
            async || {
                let before = receiver.requests().len();
                let rows = format!(
                    "insert into hooks.outbox (customer, type, data)
                 select 'acme', 'a', '1' from generate_series(1, {RARE})"
                );
                ground.database.query(&rows).unwrap();
                receiver.wait_for(before + rare).await;
                ground.webhooks.drain().await;
            },
        )
        .await;
}

async fn changes_of_a_person(ground: &Ground, round: Round) {
    let endpoints = ground.webhooks.endpoints("other");
    let ordered = NewEndpoint::new(ground.receiver.url())
        .ordered(true)
        .event_types(["c"]);
    let ordered = endpoints.add(ordered).await.unwrap().id;
    endpoints.pause(&ordered).await.unwrap();
    let event = |n: usize| format!("{round:?}-c{n}");
    for n in 0..5 {
        let sent = Event::new("c", &n).id(event(n));
        // The paused one wants all types.
        let sent = ground.webhooks.send("other", sent).await.unwrap();
        assert_eq!(sent.deliveries, 2);
    }
    ground.pass_over();
    let limit = READ_A_QUESTION;
    let cancels = async || {
        endpoints.cancel(&ground.paused, &event(0)).await.unwrap();
        endpoints.cancel(&ordered, &event(1)).await.unwrap();
    };
    ground
        .reads_within(limit, &HISTORY, (round, "cancel"), cancels)
        .await;
    let skips = async || {
        assert_eq!(endpoints.skip(&ordered).await.unwrap(), Some(event(0)));
    };
    ground
        .reads_within(limit, &HISTORY, (round, "skip"), skips)
        .await;
    let resends = async || {
        endpoints.resend(&ordered, &event(1)).await.unwrap();
        endpoints.resend(&ground.paused, &event(0)).await.unwrap();
    };
    ground
        .reads_within(limit, &HISTORY, (round, "resend"), resends)
        .await;
    let removes = async || {
        endpoints.remove(&ordered).await.unwrap();
        ground.webhooks.drain().await;
    };
    ground
        .reads_within(limit, &HISTORY, (round, "remove"), removes)
        .await;
    let replays = async || {
        let acme = ground.webhooks.endpoints("acme");
        let count = Replay {
            dry_run: true,
            ..Replay::default()
        };
        acme.replay(&ground.usual, count).await.unwrap();
        let some = Replay {
            outcome: ReplayOutcome::Delivered,
            ..Replay::default()
        };
        acme.replay(&ground.ordered, some).await.unwrap();
        ground.webhooks.drain().await;
    };
    ground
        .reads_within(limit, &HISTORY, (round, "replay"), replays)
        .await;
}

/// What it held is found by reading all that is owed, and all lanes with their endpoints, once in its life.
async fn an_end_of_a_node(ground: &Ground, round: Round) {
    let ends = async || {
        let other = open(&ground.database).await;
        other.shutdown(Duration::from_secs(5)).await;
    };
    let all = if round.is_large() { LARGE } else { 0 };
    let limit = 12 * all + READ_A_QUESTION;
    ground
        .reads_within(
            limit,
            &["delivery", "endpoint", "lane"],
            (round, "a node that begins and ends"),
            ends,
        )
        .await;
    let dies = async || {
        let before = ground.receiver.requests().len();
        for statement in DYING {
            ground.database.query(statement).unwrap();
        }
        until("what it had goes on", async || {
            ground.receiver.requests().len() == before + DYING_HAD
        })
        .await;
    };
    ground
        .reads_within(limit, &NODE, (round, "a node that dies"), dies)
        .await;
}

/// A node of which nothing was heard for a minute, and which has events of the customer in its memory.
const DYING: [&str; 2] = [
    "insert into hooks.node (id, name, seen_at, reached_at, alive)
     values (nextval('hooks.node_id'), 'dying', clock_timestamp() - interval '1 minute', 0, true)",
    "insert into hooks.delivery
     select e.seq, k.key, (select max(id) from hooks.node where name = 'dying') << 40 | row_number() over (),
            e.created_at, e.created_at, 1, e.day, 0, 0, false
     from (select * from hooks.event where customer = 'acme' and type = 'a' order by seq limit 10) e,
          (select key from hooks.endpoint where customer = 'acme' and not ordered) k",
];
const DYING_HAD: usize = 10;
/// With what the statements above read.
const NODE: [&str; 6] = [
    "attempt_pkey",
    "delivery",
    "endpoint",
    "event_customer_seq_idx",
    "event_pkey",
    "lane",
];

/// Days that are kept no longer: what is owed of other days is not looked through.
async fn an_old_day(ground: &Ground, round: Round) {
    ground.make_old_day();
    let goes = async || {
        ground.clock.advance(PASS_WAIT);
        ground.webhooks.drain().await;
    };
    let gauges = if round.is_large() { READ_FOR_GAUGES } else { 0 };
    let indexes = [
        "delivery",
        "event_key_day",
        "event_key_pkey",
        "event_pkey",
        "lane",
    ];
    ground
        .reads_within(
            READ_A_QUESTION + gauges,
            &indexes,
            (round, "a day that is over"),
            goes,
        )
        .await;
    assert!(!ground.has_old_day());
    // Each row is read a few times, however many slices there are.
    ground.make_old_day();
    ground.leave_old_day_pending();
    ground
        .reads_within(
            READ_A_MOVED * OLD_ROWS + gauges,
            &indexes,
            (round, "a day that is over, all of it owed"),
            goes,
        )
        .await;
    assert!(!ground.has_old_day());
    assert_eq!(ground.end_moved(), OLD_ROWS);
}

/// Rows and entries of an event that is moved to another day.
const READ_A_MOVED: u64 = 12;

/// Between two looks for days that are over.
const PASS_WAIT: Duration = Duration::from_secs(61);

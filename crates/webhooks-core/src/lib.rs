//! Webhooks inside your own process: stored before acknowledged, signed, delivered at once,
//! retried for days. No service beside your own, no Redis: a file, or the Postgres that you have.
//!
//! # Five lines
//!
//! ```no_run
//! # #[cfg(feature = "engine")]
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use webhooks_core::{Event, Webhooks};
//!
//! let webhooks = Webhooks::open("sqlite:webhooks.db").await?;
//! let added = webhooks.endpoints("acme").add("https://acme.example/hooks").await?;
//! println!("give this to acme, it is shown once: {}", added.secret.expose());
//! webhooks.send("acme", Event::new("random_number:generate", &863)).await?;
//! webhooks.flush(Duration::from_secs(10)).await?; // waits for first attempts
//! webhooks.shutdown(Duration::from_secs(10)).await;
//! # Ok(())
//! # }
//! ```
//!
//! "acme" is a **customer**: your own id for whoever gets the events. An **event** is a fact with
//! a type and data. An **endpoint** is a URL of a customer's with its secret and the event types
//! it wants. A **delivery** is one event owed to one endpoint, an **attempt** one HTTP request
//! made for it. The body is `{"id":"<uuid>","event":"<type>","data":<data>}`, signed as
//! [Standard Webhooks](https://www.standardwebhooks.com) says.
//!
//! # What is promised
//!
//! * What `send` acknowledged is on disk, and is delivered at least once, or ends with a reason
//!   on record: across crashes, restarts and full disks.
//! * [`Webhooks::transaction`] stores your own rows and your events together or not at all. So
//!   does a transaction of any other driver that inserts into `webhooks_outbox`: see
//!   [`Webhooks::check_outbox`]. On Postgres [`Webhooks::send_in`] takes your own transaction.
//! * The file can be an app's database. The library's tables begin with `webhooks_`; the app's
//!   tables, its `user_version` and its `application_id` are left alone.
//! * Every attempt is recorded: when, how long, status, headers, the first 4 KiB of the answer,
//!   or the typed reason for the failure. [`Webhooks::explain`] answers "why did it not arrive?".
//! * An endpoint that hangs, refuses or is slow never delays another that answers: each has its own
//!   limit on requests in flight, its own queue, and when it is in trouble a lane that is tried with
//!   one delivery at a time. Of the places for requests the slow have a share of their own, those
//!   that have just answered a reserve, and who waits gets a turn by customer and by endpoint.
//! * A delivery is given up only after it was tried. Time in which the engine did not run does not
//!   count as a wait, nor as an endpoint's failing.
//! * [`NewEndpoint::ordered`] endpoints get one event at a time, in the order of commits.
//! * Webhooks go to public addresses only, unless [`Builder::allow_networks`] says otherwise,
//!   judged on the very address that is dialled.
//!
//! # What is not promised
//!
//! * Exactly once. A request in flight at a crash is made again; receivers compare `webhook-id`.
//! * Order for endpoints that are not `ordered`.
//! * More than one process on a file: the second is refused. Beyond what one process can send, open
//!   a Postgres database, which any number share, or divide customers among several files.
//! * Anything without a tokio runtime: delivery runs on the one in which the store was opened.
//!
//! # The rules of delivery
//!
//! | | |
//! |---|---|
//! | success | any 2xx, with its head, whatever comes of its body; redirects are not followed |
//! | time limit | 15 s over connecting and the answer's head ([`Builder::time_limit`]); its name is looked up in 5 s before |
//! | connections | HTTP/1.1, kept for 1.5 s, or a second less than `Keep-Alive` says; at most 1,024, or half of the process's files ([`Builder::connections`]) |
//! | schedule | 0 s, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h, each up to a tenth longer ([`RetrySchedule`]) |
//! | `Retry-After` | honoured, up to 24 h ([`RETRY_AFTER_MAX`]) |
//! | 410 | disables the endpoint |
//! | 502, 503, 504 | only this delivery waits; the endpoint is sent to more slowly, by degrees: fewer requests at once, then with pauses, and faster again with every success |
//! | 429, any failure with `Retry-After`; no connection or no answer while nothing else was answered | the endpoint is in trouble: its deliveries wait, and it is left alone for as long as it asks, or 5 s, then 10 s, up to a minute; then one of those that are due is tried, and when it gets through all follow. A delivery that was tried is due by its own schedule |
//! | any other failure | only this delivery waits; five in a row with no success for 5 s, or forty, are trouble, whatever they are |
//! | nothing but failures for 5 days | disables the endpoint ([`Builder::disable_after`]) |
//! | response | its body is read for a second, at most 64 KiB; [`Attempt::body_cut`] says when there was more |
//! | no network, no file, no name server | this machine's failure: no attempt is spent, no endpoint is blamed, deliveries wait |
//! | kept | events and attempts for 30 days ([`Builder::keep`]) |
//!
//! A **paused** endpoint keeps its events until it is resumed. A **disabled** one records them as
//! [`EndReason::Disabled`]; [`Endpoints::replay`] sends them once it is enabled.
//!
//! # Features
//!
//! * `sqlite` (default): the engine with its store in a SQLite file.
//! * `postgres`: its store in Postgres, for several copies of a program: [the chapter on
//!   it][on_postgres]. `copy` moves a store there from a file. Without the file:
//!   `default-features = false, features = ["postgres", "aws-lc-rs"]`.
//! * `aws-lc-rs` (default) or `ring`: the cryptography behind the engine's TLS. For the second:
//!   `default-features = false, features = ["sqlite", "ring"]`.
//! * `receive`: [`receive`], for programs that get webhooks: verifying, an axum extractor, a
//!   guard against replays.
//! * `metrics`: counts and times attempts, commits and what is pending through the
//!   [`metrics`](https://docs.rs/metrics) facade; [the guide][operating] lists the names.
//! * `testing`: [`testing`], a receiver to script, a clock to move, `drain()`.
//!
//! What happens is told through [`tracing`](https://docs.rs/tracing): install a subscriber to see why
//! nothing arrives, or ask [`Webhooks::explain`].
//!
//! How it is backed up, upgraded, moved and watched is in [the guide][operating].
//!
//! The examples `hello`, `transaction`, `ordered` and `testing` run as they are:
//! `cargo run -p webhooks-core --features testing --example hello`.
//!
// Without a feature its chapter is not there to link to.
#![cfg_attr(not(feature = "receive"), doc = " [`receive`]: #features")]
#![cfg_attr(not(feature = "testing"), doc = " [`testing`]: #features")]
#![cfg_attr(feature = "engine", doc = " [operating]: guide::operating")]
#![cfg_attr(not(feature = "engine"), doc = " [operating]: #features")]
#![cfg_attr(feature = "postgres", doc = " [on_postgres]: guide::postgres")]
#![cfg_attr(not(feature = "postgres"), doc = " [on_postgres]: #features")]
#![cfg_attr(not(feature = "postgres"), doc = " [`Webhooks::send_in`]: #features")]

mod address;
mod error_text;
mod header_rules;
pub mod private_file;
#[cfg(feature = "receive")]
pub mod receive;
pub mod scheme;
mod secret;
pub mod signature;

pub use address::{
    AddressPolicy, AddressRefusal, Credentials, Ipv4Embedding, NetworkError, hide_credentials,
    split_credentials,
};
pub use secret::{Secret, SecretError, SecretKind, SharedSecret};

// The engine with its stores: who only verifies webhooks builds none of it.
cfg_if::cfg_if! {
    if #[cfg(feature = "engine")] {
        mod activity;
        mod attempt;
        mod audience;
        #[cfg(feature = "sqlite")]
        mod backup;
        mod builder;
        mod clock;
        #[cfg(all(feature = "sqlite", feature = "postgres"))]
        mod copy;
        mod crash_point;
        mod delivery;
        mod due_time;
        #[cfg(feature = "postgres")]
        mod elsewhere;
        mod endpoint;
        mod endpoints;
        mod engine;
        mod event;
        mod finite;
        pub mod guide;
        mod metrics;
        mod model;
        #[cfg(feature = "postgres")]
        mod nodes;
        mod outbox;
        mod outbox_table;
        mod outgoing;
        mod places;
        #[cfg(feature = "postgres")]
        pub mod postgres;
        mod retry;
        mod same_json;
        mod seal;
        mod send;
        #[cfg(feature = "postgres")]
        mod send_in;
        mod sender;
        mod store;
        #[cfg(feature = "testing")]
        pub mod testing;
        #[cfg(feature = "sqlite")]
        mod transaction;
        mod webhooks;

        pub use activity::{ACTIVITY_BUFFER, Activity, ActivityKind, ActivityStream, NextStep};
        pub use address::{LookupError, Resolve, Resolved, Resolving, SystemResolver};
        pub use attempt::{
            Attempt, BodyCut, Failure, Outcome, RESPONSE_BODY_LIMIT, RESPONSE_BYTES_MAX,
            RESPONSE_HEAD_BYTES, RESPONSE_HEADERS_BYTES,
        };
        pub use builder::{Builder, DISABLE_AFTER_DEFAULT, RETENTION_DEFAULT};
        pub use clock::{Clock, SystemClock};
        #[cfg(all(feature = "sqlite", feature = "postgres"))]
        pub use copy::{
            copy,
            error::CopyError,
            report::{CopiedTable, CopyReport},
        };
        pub use delivery::{Delivery, DeliveryState, EndReason, Explanation, HoldReason};
        pub use endpoint::{
            AddedEndpoint, DISABLE_REASON_BYTES_MAX, ENDPOINTS_PER_CUSTOMER_MAX, EVENT_TYPES_MAX,
            Endpoint, EndpointChange, EndpointId, EndpointSettings, EndpointSettingsError,
            EndpointState, IN_FLIGHT_DEFAULT, IN_FLIGHT_MAX, NewEndpoint, OWN_HEADERS_BYTES_MAX,
            OWN_HEADERS_MAX, OwnHeader, SECRETS_MAX, SecretInfo,
        };
        pub use endpoints::{Endpoints, ROTATION_GRACE_DEFAULT};
        pub use engine::test_attempt::TestError;
        pub use event::{
            CUSTOMER_BYTES_MAX, EVENT_BYTES_MAX, EVENT_ID_BYTES_MAX, EVENT_TYPE_BYTES_MAX, Event,
            EventError, EventRecord,
        };
        #[cfg(feature = "postgres")]
        pub use model::node::Node;
        pub use model::{
            outbox_rows::{REFUSED_ROWS_MAX, RefusedRow},
            page::{DeliveryFilter, DeliveryPage, PAGE_MAX, PageCursor},
            replay::{Replay, ReplayOutcome},
        };
        pub use outgoing::OutgoingRequest;
        pub use retry::{ATTEMPTS_MAX, RETRY_AFTER_MAX, RetrySchedule, RetryScheduleError};
        /// The SQLite driver, at the version that the engine uses.
        #[cfg(feature = "sqlite")]
        pub use rusqlite;
        pub use send::{SEND_ALL_BYTES_MAX, SEND_ALL_MAX, SendError, SendReceipt};
        #[cfg(feature = "postgres")]
        pub use send_in::SentIn;
        pub use sender::{CONNECTIONS_MAX_DEFAULT, CONNECTIONS_SHARE_OF_FILES, TIME_LIMIT_DEFAULT};
        #[cfg(feature = "sqlite")]
        pub use store::backup_error::BackupError;
        pub use store::{
            delivery_error::DeliveryError, durability::Durability,
            endpoint_cache::ENDPOINTS_IN_MEMORY_DEFAULT, endpoint_error::EndpointError, error::StoreError,
            open_error::OpenError,
        };
        #[cfg(feature = "sqlite")]
        pub use transaction::{Transaction, TransactionError};
        pub use webhooks::{ShutdownReport, Webhooks};
    }
}

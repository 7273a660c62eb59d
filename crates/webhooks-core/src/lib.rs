//! Webhooks from inside your own process: stored before they are acknowledged, signed, delivered at once, retried
//! for days. No separate service and no Redis: just a file, or the Postgres that you already have.
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
//! "acme" is a **customer**: your own id for whoever receives the events. An **event** is a fact with a type and
//! data. An **endpoint** is a customer's URL, with its secret and the event types it wants. A **delivery** is one
//! event bound for one endpoint; an **attempt** is one HTTP request made for it. The body is
//! `{"id":"<uuid>","event":"<type>","data":<data>}`, signed according to
//! [Standard Webhooks](https://www.standardwebhooks.com).
//!
//! # What is promised
//!
//! * Once `send` has acknowledged an event it is on disk. It is then delivered at least once, or ends with a
//!   recorded reason, despite crashes, restarts and full disks.
//! * [`Webhooks::transaction`] stores your own rows and your events together or not at all. So does a transaction
//!   of any other driver that inserts into `webhooks_outbox`: see [`Webhooks::check_outbox`]. On Postgres,
//!   [`Webhooks::send_in`] takes your own transaction.
//! * The file can be your app's own database. The library's tables begin with `webhooks_`; it leaves the app's
//!   tables, `user_version` and `application_id` alone.
//! * Every attempt is recorded: when it was made, how long it took, the status, the headers and the first 4 KiB of
//!   the response body, or the typed reason for the failure. [`Webhooks::explain`] answers "why did it not
//!   arrive?".
//! * An endpoint that hangs, refuses connections or is slow never delays one that answers. Each endpoint has its
//!   own limit on requests in flight and its own queue; while it is in trouble it also has a lane, from which one
//!   delivery at a time is tried. The limit on all requests in flight is divided: slow endpoints have a share of
//!   their own, part of it is reserved for endpoints that have just answered, and those that wait take turns by
//!   customer and by endpoint.
//! * A delivery is given up only after it was tried. Time in which the engine was not running counts neither
//!   towards a delivery's wait nor towards how long an endpoint has been failing.
//! * [`NewEndpoint::ordered`] endpoints get one event at a time, in commit order.
//! * Webhooks go to public addresses only, unless [`Builder::allow_networks`] allows others. The check is made on
//!   the very address that is dialled.
//!
//! # What is not promised
//!
//! * Exactly-once delivery. A request that was in flight at a crash is made again, and so may be one that was
//!   answered less than about 20 ms before it; receivers deduplicate by `webhook-id`.
//! * Order for endpoints that are not `ordered`.
//! * More than one process on a file: the second is refused. If one process cannot send enough, use a Postgres
//!   database, which any number of processes share, or divide your customers among several files.
//! * Anything without a tokio runtime: delivery runs on the runtime in which the store was opened.
//!
//! # The rules of delivery
//!
//! | | |
//! |---|---|
//! | success | any 2xx, as soon as its headers are complete, whatever happens to its body; redirects are not followed |
//! | time limit | 15 s for connecting and receiving the response headers ([`Builder::time_limit`]); before that, up to 5 s to look up the host name |
//! | connections | HTTP/1.1, kept open for 1.5 s, or for a second less than `Keep-Alive` says; at most 1,024, or half of the files that the process may open, whichever is less ([`Builder::connections`]) |
//! | schedule | 0 s, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h, each up to a tenth longer ([`RetrySchedule`]) |
//! | `Retry-After` | honoured, up to 24 h ([`RETRY_AFTER_MAX`]) |
//! | 410 | disables the endpoint |
//! | 502, 503, 504 | only this delivery waits; sending to the endpoint slows down gradually: first fewer requests at once, then with pauses; each success speeds it up again |
//! | 429, or any failure with `Retry-After`; no connection or no answer while no other request was answered | the endpoint is in trouble: its deliveries wait, and it is left alone for as long as it asks, or else for 5 s, then 10 s, up to a minute; then one due delivery is tried, and once one succeeds, all the others follow. A delivery that has been tried stays on its own schedule |
//! | any other failure | only this delivery waits; but five failures of any kind in a row with no success for 5 s, or forty in a row, put the endpoint in trouble |
//! | nothing but failures for 5 days | disables the endpoint ([`Builder::disable_after`]) |
//! | response body | read for up to one second and up to 64 KiB; [`Attempt::body_cut`] says whether there was more |
//! | no network, no free file descriptor, no name server | this machine's failure: it uses up no attempt, counts against no endpoint, and deliveries wait |
//! | retention | events and attempts are kept for 30 days ([`Builder::keep`]) |
//!
//! A **paused** endpoint keeps its events until it is resumed. For a **disabled** one, events are recorded as
//! [`EndReason::Disabled`]; [`Endpoints::replay`] sends them once it is enabled again.
//!
//! # Features
//!
//! * `sqlite` (default): the engine, with its store in a SQLite file.
//! * `postgres`: the engine, with its store in Postgres, for several copies of a program: see [its
//!   chapter][on_postgres]. With `sqlite` as well, `copy` copies a store from a file to Postgres. Without SQLite:
//!   `default-features = false, features = ["postgres", "aws-lc-rs"]`.
//! * `aws-lc-rs` (default) or `ring`: the cryptography behind the engine's TLS. For `ring`:
//!   `default-features = false, features = ["sqlite", "ring"]`.
//! * `receive`: [`receive`], for programs that receive webhooks: verification, an axum extractor, and replay
//!   protection.
//! * `metrics`: reports attempts, commits and pending deliveries, with counts and durations, through the
//!   [`metrics`](https://docs.rs/metrics) facade; [the guide][operating] lists the names.
//! * `testing`: [`testing`], a receiver with scripted answers, a clock that tests can move, and `drain()`.
//!
//! The engine logs through [`tracing`](https://docs.rs/tracing): install a subscriber to see why nothing arrives,
//! or ask [`Webhooks::explain`].
//!
//! [The guide][operating] describes how to back up, upgrade, move and monitor it.
//!
//! The examples `hello`, `transaction`, `ordered` and `testing` run as they are:
//! `cargo run -p webhooks-core --features testing --example hello`.
//!
// Without a feature, its chapter does not exist and cannot be linked to.
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

// The engine with its stores: programs that only verify webhooks compile none of it.
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
        /// The SQLite driver, in the version that the engine uses.
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

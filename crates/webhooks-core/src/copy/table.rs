//! How each table is copied: its columns in Postgres, and the expression that computes each from the file.
//!
//! In the expressions, `:reached` is the time that the engine had reached, on the file's timeline.

use super::kind::Kind::{self, Bytes, Day, Flag, Int, Json, Number, Slot, Text, Time, TimeOrZero};

/// A table, as it is read and as it is written.
pub(super) struct Table {
    /// Its name in Postgres.
    pub(super) name: &'static str,
    /// Where its rows are in the file.
    rows: &'static str,
    /// Which of those rows are copied.
    filter: &'static str,
    /// The column by which they are read: the leading column of a primary key.
    position: &'static str,
    /// For each column: its name in Postgres, its expression in the file, and its kind.
    pub(super) columns: &'static [(&'static str, &'static str, Kind)],
}

impl Table {
    /// Reads its rows from the file after the position `:after`: the position of each, then its columns.
    pub(super) fn select(&self) -> String {
        let Self {
            rows,
            filter,
            position,
            ..
        } = self;
        let expressions: String = self
            .columns
            .iter()
            .map(|(_, expression, _)| format!(", {expression}"))
            .collect();
        format!(
            "select {position}{expressions} from {rows} where {position} > :after and ({filter}) order by {position}"
        )
    }

    /// Counts its rows in the file.
    pub(super) fn count(&self) -> String {
        format!("select count(*) from {} where {}", self.rows, self.filter)
    }

    /// Inserts rows into Postgres, given as one array for each column.
    pub(super) fn insert(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, ..)| *name).collect();
        let arrays: Vec<String> = self
            .columns
            .iter()
            .zip(1..)
            .map(|((_, _, kind), place)| format!("${place}{}", kind.array()))
            .collect();
        // Keys stay the same, even where the database would generate them.
        format!(
            "insert into webhooks.{} ({}) overriding system value select * from unnest({})",
            self.name,
            names.join(", "),
            arrays.join(", "),
        )
    }

    /// Whether its position is the number of an event.
    pub(super) fn is_by_event(&self) -> bool {
        self.position.ends_with("seq")
    }
}

/// In the order in which they are copied, because a delivery takes its slot from its endpoint and its day from its
/// event.
pub(super) static TABLES: [Table; 9] = [
    OUTAGES, ENDPOINTS, SECRETS, EVENTS, DELIVERIES, LANES, ATTEMPTS, ENDINGS, OUTBOX,
];

const OUTAGES: Table = Table {
    name: "outage",
    rows: "webhooks_outage",
    filter: "true",
    position: "began_at",
    columns: &[
        ("began_at", "began_at", Time),
        ("ended_at", "ended_at", Time),
    ],
};

/// Encrypted values are bound to the endpoint's id, not to the store, so they can be copied as they are.
const ENDPOINTS: Table = Table {
    name: "endpoint",
    rows: "webhooks_endpoint",
    filter: "true",
    position: "key",
    columns: &[
        ("key", "key", Number),
        ("id", "id", Text),
        ("customer", "customer", Text),
        ("url", "url", Bytes),
        ("event_types", "event_types", Text),
        ("ordered", "ordered", Flag),
        ("settings", "settings", Bytes),
        ("state", "state", Text),
        ("state_reason", "state_reason", Text),
        ("failing_since", "failing_since", Time),
        ("created_at", "created_at", Time),
    ],
};

const SECRETS: Table = Table {
    name: "endpoint_secret",
    rows: "webhooks_endpoint_secret",
    filter: "true",
    position: "endpoint_key",
    columns: &[
        ("endpoint_key", "endpoint_key", Number),
        ("number", "number", Int),
        ("secret", "secret", Bytes),
        ("expires_at", "expires_at", Time),
        ("created_at", "created_at", Time),
    ],
};

const EVENTS: Table = Table {
    name: "event",
    rows: "webhooks_event",
    filter: "true",
    position: "seq",
    columns: &[
        ("seq", "seq", Number),
        ("day", "created_at", Day),
        ("id", "id", Text),
        ("customer", "customer", Text),
        ("type", "type", Text),
        ("body", "body", Bytes),
        ("created_at", "created_at", Time),
        ("traceparent", "traceparent", Text),
    ],
};

/// Nothing is in memory any more, so deliveries that were become due.
const DELIVERIES: Table = Table {
    name: "delivery",
    rows: "webhooks_delivery d
           left join webhooks_event v on v.seq = d.event_seq
           left join webhooks_endpoint e on e.key = d.endpoint_key",
    filter: "true",
    position: "d.event_seq",
    columns: &[
        ("event_seq", "d.event_seq", Number),
        ("endpoint_key", "d.endpoint_key", Number),
        (
            "due_at",
            "iif(d.claim is null, d.due_at, min(d.due_at, :reached))",
            TimeOrZero,
        ),
        ("owed_at", "d.owed_at", TimeOrZero),
        ("number", "d.number", Int),
        ("event_day", "coalesce(v.created_at, d.owed_at)", Day),
        ("attempts", "d.attempts", Int),
        ("slot", "coalesce(e.customer, '')", Slot),
        ("lane", "d.lane", Flag),
    ],
};

/// A lane that waits for room in memory becomes due. An endpoint whose order or limits apply across all nodes
/// always has a lane. An endpoint whose settings are encrypted (their first byte shows that) may have limits, so
/// it gets a lane as well; the engine, which has the key, drops that lane if the endpoint turns out to have none.
const LANES: Table = Table {
    name: "lane",
    rows: "(select e.key, e.state, l.endpoint_key is not null as is_there, l.due_at,
                   coalesce(l.backoff_until, 0) as backoff_until, coalesce(l.failures, 0) as failures,
                   e.ordered or case
                       when substr(e.settings, 1, 1) <> x'00' then true
                       when json_valid(cast(substr(e.settings, 2) as text)) then
                           coalesce(json_extract(cast(substr(e.settings, 2) as text), '$.in_flight'),
                                    json_extract(cast(substr(e.settings, 2) as text), '$.per_second')) is not null
                       else false end as owned
            from webhooks_endpoint e left join webhooks_lane l on l.endpoint_key = e.key)",
    filter: "is_there or owned and state in ('active', 'paused')
             or key in (select endpoint_key from webhooks_delivery where claim is not null and lane = 1)",
    position: "key",
    columns: &[
        ("endpoint_key", "key", Number),
        (
            "due_at",
            "coalesce(due_at, iif(state = 'active', max(backoff_until, :reached), null))",
            Time,
        ),
        ("backoff_until", "backoff_until", TimeOrZero),
        ("failures", "failures", Int),
        ("owned", "owned", Flag),
    ],
};

/// Attempts are searched for from the day of their event on.
const ATTEMPTS: Table = Table {
    name: "attempt",
    rows: "webhooks_attempt a left join webhooks_event v on v.seq = a.event_seq",
    filter: "true",
    position: "a.event_seq",
    columns: &[
        ("event_seq", "a.event_seq", Number),
        ("endpoint_key", "a.endpoint_key", Number),
        ("number", "a.number", Int),
        ("day", "max(a.at, coalesce(v.created_at, a.at))", Day),
        ("at", "a.at", Time),
        ("duration_us", "a.duration_us", Number),
        ("status", "a.status", Int),
        ("failure", "a.failure", Text),
        ("detail", "a.detail", Text),
        ("headers", "a.headers", Text),
        ("body", "a.body", Bytes),
    ],
};

/// Like attempts.
const ENDINGS: Table = Table {
    name: "ending",
    rows: "webhooks_ending a left join webhooks_event v on v.seq = a.event_seq",
    filter: "true",
    position: "a.event_seq",
    columns: &[
        ("event_seq", "a.event_seq", Number),
        ("endpoint_key", "a.endpoint_key", Number),
        ("day", "max(a.at, coalesce(v.created_at, a.at))", Day),
        ("reason", "a.reason", Text),
        ("at", "a.at", Time),
    ],
};

const OUTBOX: Table = Table {
    name: "outbox",
    rows: "webhooks_outbox",
    filter: "true",
    position: "id",
    columns: &[
        ("id", "id", Number),
        ("customer", "customer", Text),
        ("type", "type", Text),
        ("data", "data", Json),
        ("event_id", "event_id", Text),
        ("refused", "refused", Text),
    ],
};

/// The rows of the outbox table that Postgres cannot take.
pub(super) const UNFIT_OUTBOX_ROWS: &str = "
    select id from webhooks_outbox
    where typeof(data) <> 'text' or not json_valid(data)
       or typeof(customer) <> 'text' or typeof(type) <> 'text' or typeof(event_id) not in ('text', 'null')
    order by id limit 10";

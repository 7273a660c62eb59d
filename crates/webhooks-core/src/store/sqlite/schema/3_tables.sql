-- Version 3, for a database that has none of our tables yet. 3_prefix.sql makes the same of
-- version 2. Times are milliseconds on the engine's timeline (see clock.rs).
-- The hot tables have no foreign keys and no counters: a send inserts, a completion deletes.

-- The version of these tables: application_id and user_version are the app's.
create table webhooks_schema (
    version integer not null
);

create table webhooks_setting (
    name text primary key,
    value integer not null
) without rowid;

create table webhooks_endpoint (
    key integer primary key,
    id text not null unique,
    customer text not null,
    url blob not null,                -- with its credentials; sealed when a key is configured
    event_types text not null,        -- a JSON array
    ordered integer not null,
    settings blob not null,           -- a JSON object; sealed when a key is configured
    state text not null,              -- active, paused, disabled, removed
    state_reason text not null,
    failing_since integer,
    created_at integer not null
);
create index webhooks_endpoint_customer on webhooks_endpoint (customer, key);

create table webhooks_endpoint_secret (
    endpoint_key integer not null,
    number integer not null,
    secret blob not null,             -- sealed when a key is configured
    expires_at integer,
    primary key (endpoint_key, number)
) without rowid;
create index webhooks_endpoint_secret_expiry on webhooks_endpoint_secret (expires_at) where expires_at is not null;

-- seq is the commit order.
create table webhooks_event (
    seq integer primary key,
    id text not null,
    customer text not null,
    type text not null,
    body blob not null,
    created_at integer not null
);
-- The id first: ids of version 7 are inserted at the end of the index, customers are not.
create unique index webhooks_event_id on webhooks_event (id, customer);

-- Pending deliveries. A row is held in memory (claim is set), or waits by itself (lane = 0),
-- or waits in its endpoint's lane (lane = 1).
create table webhooks_delivery (
    event_seq integer not null,
    endpoint_key integer not null,
    claim integer,
    lane integer not null,
    due_at integer not null,          -- 0 for ordered endpoints: their lane says when
    attempts integer not null,        -- made of the current schedule
    number integer not null,          -- of the last attempt ever made
    owed_at integer not null default 0, -- its event's time, or when it was asked for again
    primary key (event_seq, endpoint_key)
) without rowid;
create index webhooks_delivery_due on webhooks_delivery (due_at) where claim is null and lane = 0;
create index webhooks_delivery_lane on webhooks_delivery (endpoint_key, due_at, event_seq) where claim is null and lane = 1;

-- The queue of one endpoint that is ordered or in trouble or has more than fits in memory:
-- one due row, however much it holds. due_at is null while memory holds it or it is paused.
create table webhooks_lane (
    endpoint_key integer primary key,
    due_at integer,
    backoff_until integer not null,
    failures integer not null
);
-- Due lanes of healthy endpoints and of those in trouble are looked for separately.
create index webhooks_lane_due_healthy on webhooks_lane (due_at) where due_at is not null and failures = 0;
create index webhooks_lane_due_trouble on webhooks_lane (due_at) where due_at is not null and failures > 0;

create table webhooks_attempt (
    event_seq integer not null,
    endpoint_key integer not null,
    number integer not null,
    at integer not null,
    duration_us integer not null,
    status integer,
    failure text,                     -- null: success
    detail text,
    headers text not null,
    body blob not null,
    primary key (event_seq, endpoint_key, number)
) without rowid;
-- Only failures: successes of many endpoints would touch a page each.
create index webhooks_attempt_failed on webhooks_attempt (endpoint_key, at) where failure is not null;

-- Deliveries that ended without a success.
create table webhooks_ending (
    event_seq integer not null,
    endpoint_key integer not null,
    reason text not null,
    at integer not null,
    primary key (event_seq, endpoint_key)
) without rowid;
create index webhooks_ending_endpoint on webhooks_ending (endpoint_key, at);

-- The outbox table: what any program puts here in its own transaction becomes an event, in the
-- order of id. A row that cannot become one stays, with the reason in refused.
create table webhooks_outbox (
    id integer primary key,
    customer text not null,
    type text not null,
    data text not null,               -- JSON
    event_id text,
    refused text
);
create index webhooks_outbox_waiting on webhooks_outbox (id) where refused is null;

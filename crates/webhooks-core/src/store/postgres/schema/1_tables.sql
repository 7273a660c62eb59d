-- Version 1. The schema is named webhooks here; another name replaces it at open.
-- Times are milliseconds since 1970 on the engines' timeline, which follows the database's clock; a day
-- is such a time divided by 86,400,000. The hot tables have no foreign keys, triggers or counters.

-- The version of these tables, and the oldest version of the library that can use them.
create table webhooks.setting (
    name text primary key,
    value int8 not null
);

-- The running engines. A claim is the id << 40 | a counter. seen_at is by the database's clock;
-- reached_at is where the engine's timeline was.
create sequence webhooks.node_id;
create table webhooks.node (
    id int8 primary key,
    name text not null,
    seen_at timestamptz not null,
    reached_at int8 not null,
    alive bool not null,
    seen_version int8 not null default 0 -- it has heard of all changes of endpoints up to this one
) with (fillfactor = 50);

-- Times in which no engine ran: they do not count as a delivery's wait.
create table webhooks.outage (
    began_at int8 primary key,
    ended_at int8 not null
);

create table webhooks.endpoint (
    key int8 primary key generated always as identity,
    id text not null unique,
    customer text not null,
    url bytea not null,               -- with its credentials; sealed when a key is configured
    event_types text not null,        -- a JSON array
    ordered bool not null,
    settings bytea not null,          -- a JSON object; sealed when a key is configured
    state text not null,              -- active, paused, disabled, removed
    state_reason text not null,
    failing_since int8,               -- according to the node that stored it last
    succeeded_at int8,                -- a success of any node, recorded once an hour
    created_at int8 not null,
    version int8 not null default 0   -- of the last change, see change
);
create index endpoint_version on webhooks.endpoint (version);
create index endpoint_customer on webhooks.endpoint (customer, key);

-- The version of all endpoints together. It is raised at the end of a transaction, and the row is
-- locked until that is committed: versions become visible in their order, and a node that has seen one
-- has seen all before it.
create table webhooks.change (
    version int8 not null
) with (fillfactor = 50);
insert into webhooks.change values (1);

create table webhooks.endpoint_secret (
    endpoint_key int8 not null,
    number int4 not null,
    secret bytea not null,            -- sealed when a key is configured
    expires_at int8,
    created_at int8,
    primary key (endpoint_key, number)
);
create index endpoint_secret_expiry on webhooks.endpoint_secret (expires_at) where expires_at is not null;

-- seq is the number of a batch << 12 | the place within it: causal order. No default partition:
-- detaching concurrently forbids one.
create sequence webhooks.event_batch;
create table webhooks.event (
    seq int8 not null,
    day int4 not null,
    id text not null,
    customer text not null,
    type text not null,
    body bytea not null,
    created_at int8 not null,
    traceparent text,
    primary key (seq, day)
) partition by range (day);
create index event_id on webhooks.event (id, customer);
create index event_customer on webhooks.event (customer, seq);

-- Ids that callers chose, each once per customer. An id that the engine made is a UUID of version
-- 7: its time tells the day.
create table webhooks.event_key (
    customer text not null,
    id text not null,
    seq int8 not null,
    day int4 not null,
    primary key (customer, id)
);
create index event_key_day on webhooks.event_key (day);

-- Pending deliveries. A row is held in a node's memory (claim is set), or waits by itself, or waits in its
-- endpoint's lane. Rows that are delivered at once enter neither of the two partial indexes.
create table webhooks.delivery (
    event_seq int8 not null,
    endpoint_key int8 not null,
    claim int8,
    due_at int8 not null,             -- 0 for ordered endpoints: their lane says when
    owed_at int8 not null,            -- its event's time, or when it was asked for again
    number int4 not null,             -- of the last attempt ever made
    event_day int4 not null,
    attempts int4 not null,           -- made on the current schedule
    slot int2 not null,               -- of the customer: by which they could be divided among databases
    lane bool not null,
    primary key (event_seq, endpoint_key)
) with (
    -- Thousands of rows come and go every second: vacuum by their number, at full speed. Truncating
    -- would take a lock that blocks everybody.
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 20000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_vacuum_insert_threshold = -1,
    vacuum_truncate = off
);
create index delivery_due on webhooks.delivery (due_at, event_seq) where claim is null and not lane;
create index delivery_lane on webhooks.delivery (endpoint_key, due_at, event_seq) where claim is null and lane;

-- The queue of one endpoint that is ordered or in trouble or has more than fits in memory:
-- one due row, however much it holds. due_at is null while memory holds it or it is paused.
create table webhooks.lane (
    endpoint_key int8 primary key,
    due_at int8,
    backoff_until int8 not null,
    failures int4 not null,
    owned bool not null default false, -- one node delivers it: its order or limits hold across all nodes
    node int8                         -- who holds it: the owner, or the node that loads it while due_at is null
) with (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0,
    vacuum_truncate = off
);
create index lane_due_healthy on webhooks.lane (due_at) where due_at is not null and failures = 0;
create index lane_due_trouble on webhooks.lane (due_at) where due_at is not null and failures > 0;

create table webhooks.attempt (
    event_seq int8 not null,
    endpoint_key int8 not null,
    number int4 not null,
    day int4 not null,
    at int8 not null,
    duration_us int8 not null,
    status int4,
    failure text,                     -- null: success
    detail text,
    headers text not null,
    body bytea not null,
    primary key (event_seq, endpoint_key, number, day)
) partition by range (day);
create index attempt_failed on webhooks.attempt (endpoint_key, at) where failure is not null;

-- Deliveries that ended without a success.
create table webhooks.ending (
    event_seq int8 not null,
    endpoint_key int8 not null,
    day int4 not null,
    reason text not null,
    at int8 not null,
    primary key (event_seq, endpoint_key, day)
) partition by range (day);
create index ending_endpoint on webhooks.ending (endpoint_key, at);

-- The outbox table: what any program puts here in its own transaction becomes an event. A row that
-- cannot become one stays, with the reason in refused.
create table webhooks.outbox (
    id int8 primary key generated by default as identity,
    customer text not null,
    type text not null,
    data json not null,
    event_id text,
    refused text
);
create index outbox_waiting on webhooks.outbox (id) where refused is null;

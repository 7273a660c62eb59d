-- From version 2 to 3: our tables get a prefix of their own, because they live among an app's.

alter table setting rename to webhooks_setting;
alter table endpoint rename to webhooks_endpoint;
alter table endpoint_secret rename to webhooks_endpoint_secret;
alter table event rename to webhooks_event;
alter table delivery rename to webhooks_delivery;
alter table lane rename to webhooks_lane;
alter table attempt rename to webhooks_attempt;
alter table ending rename to webhooks_ending;

-- Indexes cannot be renamed, and an app may use their names too.
drop index endpoint_customer;
drop index endpoint_secret_expiry;
drop index event_id;
drop index delivery_due;
drop index delivery_lane;
drop index lane_due_healthy;
drop index lane_due_trouble;
drop index attempt_failed;
drop index ending_endpoint;
create index webhooks_endpoint_customer on webhooks_endpoint (customer, key);
create index webhooks_endpoint_secret_expiry on webhooks_endpoint_secret (expires_at) where expires_at is not null;
create unique index webhooks_event_id on webhooks_event (id, customer);
create index webhooks_delivery_due on webhooks_delivery (due_at) where claim is null and lane = 0;
create index webhooks_delivery_lane on webhooks_delivery (endpoint_key, due_at, event_seq) where claim is null and lane = 1;
create index webhooks_lane_due_healthy on webhooks_lane (due_at) where due_at is not null and failures = 0;
create index webhooks_lane_due_trouble on webhooks_lane (due_at) where due_at is not null and failures > 0;
create index webhooks_attempt_failed on webhooks_attempt (endpoint_key, at) where failure is not null;
create index webhooks_ending_endpoint on webhooks_ending (endpoint_key, at);

create table webhooks_schema (
    version integer not null
);
create table webhooks_outbox (
    id integer primary key,
    customer text not null,
    type text not null,
    data text not null,
    event_id text,
    refused text
);
create index webhooks_outbox_waiting on webhooks_outbox (id) where refused is null;

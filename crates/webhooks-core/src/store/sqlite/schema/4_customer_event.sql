-- From version 3 to 4.

-- Which events are a customer's; kept behind the sends, see customer_events.rs.
create table webhooks_customer_event (
    customer text not null,
    event_seq integer not null,
    primary key (customer, event_seq)
) without rowid;

-- When a secret was added; null for a secret rotated before this version, for which that is not known.
alter table webhooks_endpoint_secret add column created_at integer;
update webhooks_endpoint_secret
set created_at = (select created_at from webhooks_endpoint where key = endpoint_key)
where number = 1;

-- The W3C trace context that an event was sent in; null without one.
alter table webhooks_event add column traceparent text;

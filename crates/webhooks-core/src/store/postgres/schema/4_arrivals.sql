-- Version 4: deliveries that were added to a lane without touching the lane's row.

-- A delivery in a lane whose row its transaction did not touch: an app's transaction, which may last for
-- minutes, or one that found the lane locked by another. A node that finds it here makes the lane due.
create table webhooks.arrival (
    event_seq int8 not null,
    endpoint_key int8 not null,
    at int8 not null,
    primary key (event_seq, endpoint_key)
) with (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_vacuum_insert_threshold = -1,
    vacuum_truncate = off
);
create index arrival_at on webhooks.arrival (at);

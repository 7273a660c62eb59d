-- Version 4: who stands in a lane that was not told of it.

-- A delivery of a lane whose row its transaction did not touch: an app's, which may last for minutes, or
-- one that met a lane in another's hands. Whoever finds it here has the lane looked at.
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

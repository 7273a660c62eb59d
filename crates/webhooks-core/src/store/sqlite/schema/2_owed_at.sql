-- Version 2.

-- Since when a delivery is pending: its event's time, or when it was asked for again. What
-- is sent again after an endpoint has failed for longer than its schedule lasts gets a schedule of
-- its own, and is not as old as its event.
alter table delivery add column owed_at integer not null default 0;
update delivery
set owed_at = coalesce((select created_at from event where seq = delivery.event_seq), 0);

-- Due lanes of healthy endpoints and of those in trouble are looked for separately.
drop index lane_due;
create index lane_due_healthy on lane (due_at) where due_at is not null and failures = 0;
create index lane_due_trouble on lane (due_at) where due_at is not null and failures > 0;

-- Times in which the engine did not run, on its timeline: they do not count as a delivery's wait.
create table webhooks_outage (
    began_at integer primary key,
    ended_at integer not null
);

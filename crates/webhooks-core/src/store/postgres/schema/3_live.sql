-- Whether somebody reads the live stream at a node: others tell it what they do.
alter table webhooks.node add column listens bool not null default false;

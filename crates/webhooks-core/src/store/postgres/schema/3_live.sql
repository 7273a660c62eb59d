-- Whether somebody reads the live stream on a node: then the others send it what they do.
alter table webhooks.node add column listens bool not null default false;

-- Which of a node's connections is the one that writes: what comes late over one before changes nothing.
alter table webhooks.node add column writer int8 not null default 0;

-- Which of a node's connections is the one that writes: a late statement on an earlier one changes nothing.
alter table webhooks.node add column writer int8 not null default 0;

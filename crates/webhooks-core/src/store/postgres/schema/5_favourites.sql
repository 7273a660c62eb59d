-- Version 5: lanes that one node owns are shared out among the nodes.

-- The node is shutting down: it sends nothing more, and others give it nothing.
alter table webhooks.node add column leaving bool not null default false;
-- The node for which a lane was freed, and which takes it before others do. It means nothing for a lane that
-- somebody holds.
alter table webhooks.lane add column offered_to int8;

-- Version 5: lanes that one node owns are shared out among the nodes.

-- It sends nothing more, and others give it nothing.
alter table webhooks.node add column leaving bool not null default false;
-- The node for which a lane was set free, and which takes it before others do. Of a lane that is somebody's
-- it says nothing.
alter table webhooks.lane add column offered_to int8;

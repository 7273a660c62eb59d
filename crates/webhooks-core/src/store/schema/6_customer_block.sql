-- Which events are a customer's, by blocks of events: one row where there was one for each event.
create table webhooks_customer_block (
    customer text not null,
    block integer not null,
    primary key (customer, block)
) without rowid;
drop table webhooks_customer_event;
update webhooks_setting set value = 0 where name = 'indexed';

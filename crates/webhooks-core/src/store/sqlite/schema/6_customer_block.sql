-- Which events are a customer's, by blocks of 64 events: one row where there was one for each event.
create table webhooks_customer_block (
    customer text not null,
    block integer not null,
    primary key (customer, block)
) without rowid;
insert into webhooks_customer_block select distinct customer, seq / 64 from webhooks_event;
drop table webhooks_customer_event;
delete from webhooks_setting where name = 'indexed';

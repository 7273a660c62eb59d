//! Node processes on one Postgres, under faults: what was acknowledged must arrive, once, in order.
//!
//! [`run`] draws the faults and plays them on [`process`]es, each behind a [`proxy`] of its own, and on
//! the [`database`]. What the processes say and what arrives is written into the [`ledger`], which
//! comes to a [`report`].

pub mod balance;
pub mod database;
mod drain;
pub mod fault;
pub mod holder;
pub mod ledger;
pub mod line;
mod make;
pub mod mark;
pub mod node;
pub mod process;
pub mod proxy;
pub mod receiver;
pub mod report;
pub mod run;
mod takeover;
pub mod traffic;

//! Node processes on one Postgres, under faults: what was acknowledged must arrive, once, in order.
//!
//! [`run`] draws the faults and makes them happen to [`process`]es, each behind its own [`proxy`],
//! and to the [`database`]. What the processes report and what arrives is recorded in the
//! [`ledger`], whose balance goes into a [`report`].

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

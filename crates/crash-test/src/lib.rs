//! Kills the engine again and again, and counts what was lost.
//!
//! A child process stores events under load and is killed with SIGKILL, at random and at named
//! places; the next one takes over its file. A receiver in this process notes what arrives. At
//! the end everything that was acknowledged must have arrived, nothing else, and nothing twice
//! but what was in flight at a kill: its request had arrived and its outcome was not yet stored.

//!
//! With Postgres, [`postgres`], there are other faults too, and several nodes.

pub mod child;
pub mod lives;
pub mod postgres;
pub mod receiver;
pub mod report;

//! Kills the engine again and again, and counts what is lost.
//!
//! A child process stores events under load and is killed with SIGKILL, at random and at named
//! places; the next one takes over its file. A receiver in this process records what arrives. At
//! the end, everything that was acknowledged must have arrived, nothing else may have, and nothing
//! may have arrived twice except what was in flight at a kill: its request had arrived, but its
//! outcome was not yet stored.
//!
//! With Postgres, in [`postgres`], there are other faults as well, and several nodes.

pub mod child;
pub mod lives;
pub mod port;
pub mod postgres;
pub mod receiver;
pub mod report;

//! The server over real sockets, with clients that misbehave. Time limits are shortened; what is
//! asserted is that something ends, and how, never how fast.

mod client;
mod limits;
mod server;
mod slow_loris;
mod stop;

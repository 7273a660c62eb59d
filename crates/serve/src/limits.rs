//! What one client may cost the server.

use std::time::Duration;

/// What one client may cost the server; the defaults suit a page or an API on the open internet.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The maximum number of open connections; any more wait in the operating system's queue.
    pub connections: usize,
    /// How long a request's head may take, counted from when the connection was ready for it. This
    /// closes slow-loris connections, and idle ones too.
    pub header_time: Duration,
    /// The maximum number of bytes in a request's head; a longer one is answered with 431.
    pub header_bytes: usize,
    /// The maximum number of headers in a request; more are answered with 431.
    pub header_count: usize,
    /// How long a request's body may take, counted from when a handler begins to read it; a slower
    /// one is answered with 408.
    pub body_time: Duration,
    /// The maximum number of bytes in a request's body; a longer one is answered with 413.
    pub body_bytes: usize,
    /// How long a client may read nothing of its response before it is cut off.
    pub stall_time: Duration,
    /// How long requests in flight may continue once the server has been asked to stop.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // A laptop's default of 1,024 open files, less what the program itself needs.
            connections: 900,
            header_time: Duration::from_secs(10),
            // Twice the most that browsers and proxies send (8 KiB of cookies is common).
            header_bytes: 32 * 1024,
            header_count: 100,
            body_time: Duration::from_secs(10),
            // Forms, events and API calls are a few kilobytes.
            body_bytes: 1024 * 1024,
            // Longer than a phone in a tunnel, shorter than a patient attacker.
            stall_time: Duration::from_secs(30),
            grace: Duration::from_secs(10),
        }
    }
}

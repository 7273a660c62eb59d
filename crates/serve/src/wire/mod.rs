//! HTTP/1 on the wire, byte for byte.
//!
//! Frameworks lowercase header names, join repeated headers and hide what they refuse; a tool that
//! shows exact bytes has to read them itself. This module reads heads and bodies from a connection,
//! both of incoming requests and of the responses to forwarded ones. It knows nothing about
//! records, rules or scopes.

mod body;
mod connection;
mod head;
mod reception;

pub use body::{BodyFault, BodyLimits, Framing, ReadBody, read_body};
pub use connection::{Connection, HeadFault, HeadLimits};
pub use head::{Head, HeadError, StatusHead, Version, is_framing, is_hop_by_hop};
pub use reception::Reception;

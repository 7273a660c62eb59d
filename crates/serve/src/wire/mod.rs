//! HTTP/1 as it stands on the wire, byte for byte.
//!
//! Frameworks lower the case of header names, join repeats and hide what they refuse; a tool
//! that shows exact bytes has to read them itself. This module owns reading heads and bodies
//! from a connection, for requests that arrive and for answers of a forwarded request alike.
//! It knows nothing of records, rules or scopes.

mod body;
mod connection;
mod head;
mod reception;

pub use body::{BodyFault, BodyLimits, Framing, ReadBody, read_body};
pub use connection::{Connection, HeadFault, HeadLimits};
pub use head::{Head, HeadError, StatusHead, Version, is_framing, is_hop_by_hop};
pub use reception::Reception;

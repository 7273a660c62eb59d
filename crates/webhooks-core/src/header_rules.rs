//! Who may set each header of a request: the single place that says which names an endpoint's own headers cannot
//! have, and why. Every header is sent once.

use http::HeaderName;

/// Headers that only the sender sets, and why.
const RESERVED: [(&str, &str); 18] = [
    ("accept-encoding", DECODES_NOTHING),
    ("connection", CONNECTION),
    ("content-encoding", BODY),
    ("content-length", BODY),
    ("content-type", BODY),
    ("expect", CONNECTION),
    ("host", "it is the URL's host"),
    ("http2-settings", CONNECTION),
    ("keep-alive", CONNECTION),
    ("proxy-authorization", NO_PROXY),
    ("proxy-connection", NO_PROXY),
    ("te", CONNECTION),
    ("traceparent", "it is the trace of the event"),
    ("trailer", CONNECTION),
    ("transfer-encoding", CONNECTION),
    ("upgrade", CONNECTION),
    ("user-agent", "it names the sender"),
    ("via", NO_PROXY),
];
const BODY: &str = "it describes the body, which is the event as JSON";
const CONNECTION: &str = "it controls the connection";
const DECODES_NOTHING: &str = "the sender does not decode responses";
const NO_PROXY: &str = "the sender uses no proxy";

/// Signature headers, by the prefix of their names.
const SIGNATURES: [(&str, &str); 2] = [
    (
        "webhook-",
        "it belongs to the signature of Standard Webhooks",
    ),
    ("svix-", "it belongs to Svix's signature; sign as svix"),
];

/// Why this header cannot be an endpoint's own or carry a signature; `None` if it can.
pub(crate) fn reserved(name: &HeaderName) -> Option<&'static str> {
    let name = name.as_str();
    let exact = RESERVED.iter().find(|(reserved, _)| *reserved == name);
    let begun = || SIGNATURES.iter().find(|(start, _)| name.starts_with(start));
    exact.or_else(begun).map(|(_, reason)| *reason)
}

/// Why a signature in a custom format cannot go into this header; `None` if it can.
pub(crate) fn reserved_for_signature(name: &HeaderName) -> Option<&'static str> {
    match name {
        &http::header::AUTHORIZATION => Some("it carries credentials"),
        name => reserved(name),
    }
}

//! The page's own styles and scripts, embedded.

use axum::{
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! asset {
    ($name:literal, $kind:expr) => {
        (
            $name,
            $kind,
            include_str!(concat!("../../../../templates/polis/", $name)),
        )
    };
}

/// Name, media type, content.
const ASSETS: [(&str, &str, &str); 11] = [
    asset!("polis.css", CSS),
    asset!("polis.js", JS),
    asset!("again.js", JS),
    asset!("pages.js", JS),
    asset!("live.js", JS),
    asset!("moves.js", JS),
    asset!("json.js", JS),
    asset!("keys.js", JS),
    asset!("copy.js", JS),
    asset!("pins.js", JS),
    asset!("icon.svg", SVG),
];

pub(super) async fn asset(Path(name): Path<String>) -> Response {
    match ASSETS.iter().find(|(known, ..)| *known == name) {
        Some((_, kind, content)) => (
            [
                (header::CONTENT_TYPE, *kind),
                (header::CACHE_CONTROL, "no-cache"),
            ],
            *content,
        )
            .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

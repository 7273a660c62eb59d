//! The page on the second listener: a list, one request in detail, a comparison, the rules.
//!
//! Everything is rendered here and escaped by askama; scripts only fetch the same pages again
//! and put their parts in place, so that a script never turns captured text into markup.

mod archive;
mod bar;
mod body;
mod detail;
mod filters;
mod list;
mod live;
mod multipart;
mod rules;
mod secret_form;
mod send_again;
mod send_form;
mod timeline;
mod verdict;
mod view;

use std::sync::LazyLock;

use axum::{
    Router,
    routing::{get, post},
};

use crate::api::shared::Shared;

/// The page's styles and scripts.
static ASSETS: LazyLock<serve::Assets> = LazyLock::new(
    || serve::assets!("../../../../templates/polis/": "polis.css", "polis.js", "again.js", "pages.js", "live.js", "moves.js", "json.js", "keys.js", "copy.js", "pins.js", "icon.svg"),
);

/// The page's routes, to be merged into the second listener's router.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/", get(view::list))
        .route("/requests/{id}", get(view::request))
        .route("/requests/{id}/as/{form}", get(detail::copy))
        .route("/requests/{id}/image", get(detail::image))
        .route("/requests/{id}/replay", post(send_again::replay))
        .route("/requests/{id}/secret", post(secret_form::accept))
        .route("/changes", get(live::changes))
        .route("/rules", get(rules::show).post(rules::change))
        .route("/export.har", get(archive::export))
        .route("/import", post(archive::import))
        .route("/requests/{id}/har", get(archive::export_one))
        .route("/requests/{id}/delete", post(view::delete))
        .route("/requests/{id}/comment", post(view::comment))
        .route("/scopes", post(bar::add))
        .route("/scopes/{name}/delete", post(bar::remove))
        .route("/example", post(bar::example))
        .route("/clear", post(view::clear))
        .merge(ASSETS.routes())
}

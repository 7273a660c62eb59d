//! The deck while it is being written: made anew when one of its files changes, and the page in
//! the browser with it.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use tokio::sync::watch::{self, Receiver};

use crate::{
    deck::{Deck, Frames},
    page::Wrong,
    reveal::Reveal,
    sources::{Sources, Stamps},
};

/// How often the files are looked at: sooner than somebody who saved one looks up. Looking costs
/// a few calls, needs no library, and sees editors that replace a file instead of writing to it.
const LOOK_WAIT: Duration = Duration::from_millis(250);

/// What is served at one time.
#[derive(Debug)]
pub struct Shown {
    /// Counts the versions; the page asks for it.
    version: u64,
    html: String,
    policy: String,
    /// What is wrong with the talk, if it can't be shown.
    pub error: Option<String>,
    /// How many slides there are.
    pub slides: usize,
    stamps: Stamps,
}

/// A talk's file, and what is needed to show it.
#[derive(Debug)]
struct Source {
    talk: PathBuf,
    frames: Frames,
    reveal: Reveal,
}

impl Source {
    fn show(&self, version: u64) -> Shown {
        let sources = Sources::of(&self.talk);
        let made = Deck::read_from(&sources, &self.frames, &self.reveal);
        let (html, origins, slides, error) = match made {
            Ok(deck) => (
                deck.live_html(&self.reveal, version),
                deck.frame_origins(),
                deck.slides(),
                None,
            ),
            Err(error) => {
                let errors = error.to_string();
                let wrong = Wrong {
                    errors: &errors,
                    version,
                };
                (wrong.html(), BTreeSet::new(), 0, Some(errors))
            }
        };
        Shown {
            version,
            html,
            policy: policy(&origins),
            error,
            slides,
            stamps: sources.into_stamps(),
        }
    }
}

/// Reads the talk now, and again at each change of one of its files for as long as somebody has the
/// receiver.
///
/// Call it in a tokio runtime.
#[must_use]
pub fn watch(talk: &Path, frames: Frames, reveal: Reveal) -> Receiver<Arc<Shown>> {
    let source = Arc::new(Source {
        talk: talk.to_owned(),
        frames,
        reveal,
    });
    let (sender, receiver) = watch::channel(Arc::new(source.show(0)));
    tokio::spawn(async move {
        while !sender.is_closed() {
            tokio::time::sleep(LOOK_WAIT).await;
            let shown = Arc::clone(&sender.borrow());
            let source = Arc::clone(&source);
            let looked = tokio::task::spawn_blocking(move || {
                let changed = shown.stamps.have_changed();
                changed.then(|| source.show(shown.version + 1))
            });
            if let Ok(Some(next)) = looked.await {
                match &next.error {
                    Some(error) => tracing::warn!("the talk can't be shown:\n{error}"),
                    None => tracing::info!(slides = next.slides, "the talk was read again"),
                }
                sender.send_replace(Arc::new(next));
            }
        }
    });
    receiver
}

/// The deck's routes.
pub fn app(shown: Receiver<Arc<Shown>>) -> Router {
    let router = Router::new()
        .route("/", get(page))
        .route("/version", get(version))
        .with_state(shown);
    serve::protect(serve::same_origin(router, std::iter::empty::<String>()))
}

async fn page(State(shown): State<Receiver<Arc<Shown>>>) -> Response {
    let shown = Arc::clone(&shown.borrow());
    let status = match shown.error {
        None => StatusCode::OK,
        Some(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let headers = [
        (header::CONTENT_SECURITY_POLICY, shown.policy.clone()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        // The speaker's window shows this page in frames of its own.
        (header::X_FRAME_OPTIONS, "SAMEORIGIN".to_owned()),
    ];
    (status, headers, Html(shown.html.clone())).into_response()
}

async fn version(State(shown): State<Receiver<Arc<Shown>>>) -> String {
    shown.borrow().version.to_string()
}

/// The page is one file with its scripts and styles in it, and reaches nothing but the programs
/// that its slides embed.
fn policy(origins: &BTreeSet<String>) -> String {
    let origins: Vec<&str> = origins.iter().map(String::as_str).collect();
    let origins = origins.join(" ");
    format!(
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
         img-src 'self' data:; font-src data:; connect-src 'self' {origins}; \
         frame-src 'self' {origins}; frame-ancestors 'self'; base-uri 'none'"
    )
}

//! The static files of a program's pages, built into the program and served under a URL that
//! changes with their contents: browsers cache them for good, and never show an old file on a new
//! page.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use axum::{
    Router,
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

/// The files that the pages of all programs share: a stylesheet, and a script that follows an event
/// stream.
const SHARED: [(&str, &str); 2] = [
    ("app.css", include_str!("../../../templates/shared/app.css")),
    (
        "stream.js",
        include_str!("../../../templates/shared/stream.js"),
    ),
];

/// The files of a program's pages, including those that all programs share.
#[derive(Debug, Clone)]
pub struct Assets {
    files: Arc<[(&'static str, &'static str)]>,
    version: String,
}

impl Assets {
    /// The shared files and the program's `own`, each a name and its text.
    #[must_use]
    pub fn new(own: &[(&'static str, &'static str)]) -> Self {
        let files: Arc<[_]> = SHARED.iter().chain(own).copied().collect();
        let mut hasher = DefaultHasher::new();
        files.hash(&mut hasher);
        Self {
            files,
            version: format!("{:016x}", hasher.finish()),
        }
    }

    /// The prefix of a file's URL in a page. Scripts import each other as `./name.js`, which keeps
    /// the prefix.
    #[must_use]
    pub fn base(&self) -> String {
        format!("/assets/{}", self.version)
    }

    /// Answers GET for each file, below [`Assets::base`] and also, with `no-cache`, directly below
    /// `/assets`.
    pub fn routes<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        let (lasting, named) = (self.clone(), self.clone());
        let lasting = get(|Path((version, name)): Path<(String, String)>| async move {
            match version == lasting.version {
                true => lasting.answer(&name, "max-age=31536000, immutable"),
                // That version is of another build of the program, whose files this one does not
                // have.
                false => StatusCode::NOT_FOUND.into_response(),
            }
        });
        let named = get(|Path(name): Path<String>| async move { named.answer(&name, "no-cache") });
        Router::new()
            .route("/assets/{version}/{name}", lasting)
            .route("/assets/{name}", named)
    }

    fn answer(&self, name: &str, caching: &'static str) -> Response {
        let Some((_, text)) = self.files.iter().find(|(known, _)| *known == name) else {
            return StatusCode::NOT_FOUND.into_response();
        };
        let kind = match name.rsplit_once('.') {
            Some((_, "css")) => "text/css; charset=utf-8",
            Some((_, "js")) => "text/javascript; charset=utf-8",
            Some((_, "svg")) => "image/svg+xml",
            _ => "text/plain; charset=utf-8",
        };
        let headers = [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, caching),
        ];
        (headers, *text).into_response()
    }
}

/// Makes the [`Assets`] of a program from a folder, relative to the calling file, and the names of
/// files in it.
#[macro_export]
macro_rules! assets {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        $crate::Assets::new(&[$(($name, include_str!(concat!($folder, $name)))),+])
    };
}

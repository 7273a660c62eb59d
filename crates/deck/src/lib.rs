//! Slides from Markdown: a thin program around [reveal.js](https://revealjs.com), which is
//! installed from npm and does everything that happens on the screen.
//!
//! A talk is one Markdown file. Lines `---` and `--` separate slides, code comes from files by
//! marker, pictures are inlined; what comes out is one page that needs nothing else. The crate
//! knows nothing of webhooks; the talk in `docs/talk` does.

mod cell;
mod deck;
mod error;
mod front_matter;
mod inclusion;
mod live;
mod markdown;
mod page;
mod reveal;
mod sources;
mod talk;

pub use deck::{Deck, Frames, ReadError};
pub use error::{DeckError, Errors, Place, Problem};
pub use live::{Shown, app, watch};
pub use reveal::{Reveal, RevealError};

//! Serves a deck while it is written and given, or writes it to a file.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use deck::{Deck, Frames, Reveal};
use serve::Variables;

/// The port that is listened on when none is given.
const PORT_DEFAULT: u16 = 9030;
/// Where `npm ci` puts it.
const REVEAL_DIR_DEFAULT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/node_modules/reveal.js");

/// Turns a talk in Markdown into a reveal.js presentation.
///
/// Lines --- separate slides, -- slides below each other, "Note:" begins what only the speaker
/// sees. A code block with the line {{#include file:marker}} shows the file's lines between
/// "ANCHOR: marker" and "ANCHOR_END: marker". In the browser: ? shows the keys, S the speaker's
/// window; add ?print-pdf to the address and print it for a PDF. --licences prints the licences of
/// what this program contains.
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
struct Flags {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The talk to serve; the page follows its changes.
    #[arg(required = true)]
    talk: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
    /// The address to listen on [env: HOST] [default: 127.0.0.1]
    #[arg(long)]
    host: Option<String>,
    /// The port to listen on; 0 for a free one [env: PORT] [default: 9030]
    #[arg(long)]
    port: Option<String>,
}

#[derive(Debug, Args)]
struct Common {
    /// Where npm installed reveal.js [env: REVEAL_DIR] [default: node_modules beside the program's
    /// source]
    #[arg(long)]
    reveal: Option<String>,
    /// The address of a frame, in place of the one in the talk's front matter.
    #[arg(long = "frame", value_name = "NAME=URL")]
    frames: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Writes the deck as one file, which opens from a disk without a network.
    Build {
        /// The talk.
        talk: PathBuf,
        /// The folder to write index.html to.
        #[arg(short, long, value_name = "DIR")]
        output: PathBuf,
        #[command(flatten)]
        common: Common,
    },
}

fn main() -> ExitCode {
    if serve::print_licences_if_asked() {
        return ExitCode::SUCCESS;
    }
    let flags = Flags::parse();
    match (flags.verb, flags.talk) {
        (
            Some(Verb::Build {
                talk,
                output,
                common,
            }),
            _,
        ) => match build(&talk, &output, common) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                serve::complain(&error.to_string());
                ExitCode::from(serve::WRONG_SETTINGS)
            }
        },
        (None, Some(talk)) => {
            let settings = |variables: &mut Variables<'_>| {
                variables.set_by_flag("PORT", flags.port);
                variables.set_by_flag("HOST", flags.host);
                let parts = flags.common.read(variables);
                Some(Settings {
                    talk,
                    host: variables.host(),
                    port: variables.port(PORT_DEFAULT),
                    parts: parts?,
                })
            };
            serve::run("deck", settings, serve_talk)
        }
        (None, None) => unreachable!("clap requires a talk where there is no verb"),
    }
}

fn build(talk: &Path, output: &Path, common: Common) -> anyhow::Result<()> {
    let parts = Variables::of_process().read(|variables| common.read(variables));
    let (frames, reveal) = parts?;
    let deck = Deck::read(talk, &frames, &reveal)?;
    let html = deck.html(&reveal);
    let file = output.join("index.html");
    std::fs::create_dir_all(output)
        .and_then(|()| std::fs::write(&file, &html))
        .map_err(|error| anyhow::anyhow!("{} can't be written: {error}", file.display()))?;
    writeln!(
        io::stdout(),
        "{}: slides {}, bytes {}, made with {}",
        file.display(),
        deck.slides(),
        html.len(),
        named(&reveal)
    )?;
    Ok(())
}

/// What a talk is served with.
struct Settings {
    talk: PathBuf,
    host: serve::Host,
    port: u16,
    parts: (Frames, Reveal),
}

async fn serve_talk(settings: Settings) -> anyhow::Result<()> {
    let (talk, (frames, reveal)) = (settings.talk, settings.parts);
    tracing::info!("showing {} with {}", talk.display(), named(&reveal));
    let listener = serve::bind(settings.host, settings.port, "PORT").await?;
    let shown = deck::watch(&talk, frames, reveal);
    if let Some(error) = &shown.borrow().error {
        // The page says so too, and becomes the deck once it is mended.
        tracing::warn!("the talk can't be shown:\n{error}");
    }
    tracing::info!("the deck is at http://{}", listener.local_addr()?);
    serve::serve(
        listener,
        deck::app(shown),
        serve::Limits::default(),
        serve::stop_requested(),
    )
    .await;
    Ok(())
}

impl Common {
    /// `None` when something is wrong, which is noted in `variables`.
    fn read(self, variables: &mut Variables<'_>) -> Option<(Frames, Reveal)> {
        variables.set_by_flag("REVEAL_DIR", self.reveal);
        let reveal = variables.get("REVEAL_DIR");
        let reveal = Reveal::installed(Path::new(reveal.as_deref().unwrap_or(REVEAL_DIR_DEFAULT)))
            .map_err(|error| variables.is_wrong(error.to_string()));
        let frames = Frames::parse(&self.frames).map_err(|wrong| variables.is_wrong(wrong));
        Some((frames.ok()?, reveal.ok()?))
    }
}

fn named(reveal: &Reveal) -> String {
    format!("reveal.js {} ({} licence)", reveal.version, reveal.licence)
}

//! Serves a deck while it is written and given, or writes it to a file.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use deck::{Deck, Frames, Reveal};

/// Turns a talk in Markdown into a reveal.js presentation.
///
/// Lines --- separate slides, -- slides below each other, "Note:" begins what only the speaker
/// sees. A code block with the line {{#include file:marker}} shows the file's lines between
/// "ANCHOR: marker" and "ANCHOR_END: marker". In the browser: ? shows the keys, S the speaker's
/// window; add ?print-pdf to the address and print it for a PDF.
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
    host: Option<serve::Host>,
    /// The port to listen on; 0 for a free one.
    #[arg(long, env = "PORT", default_value_t = 9030)]
    port: u16,
}

#[derive(Debug, Args)]
struct Common {
    /// Where npm installed reveal.js.
    #[arg(
        long,
        env = "REVEAL_DIR",
        default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/node_modules/reveal.js")
    )]
    reveal: PathBuf,
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

#[tokio::main]
async fn main() -> ExitCode {
    let flags = Flags::parse();
    let done = match (flags.verb, flags.talk) {
        (
            Some(Verb::Build {
                talk,
                output,
                common,
            }),
            _,
        ) => build(&talk, &output, &common),
        (None, Some(talk)) => {
            let host = flags
                .host
                .unwrap_or_else(|| serve::Host::of_variable(std::env::var("HOST").ok().as_deref()));
            serve_talk(&talk, &flags.common, (host, flags.port)).await
        }
        (None, None) => unreachable!("clap requires a talk where there is no verb"),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when standard error is closed.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::from(2)
        }
    }
}

fn build(talk: &Path, output: &Path, common: &Common) -> anyhow::Result<()> {
    let (frames, reveal) = common.read()?;
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

async fn serve_talk(
    talk: &Path,
    common: &Common,
    (host, port): (serve::Host, u16),
) -> anyhow::Result<()> {
    serve::logs("info")?;
    let (frames, reveal) = common.read()?;
    tracing::info!("showing {} with {}", talk.display(), named(&reveal));
    let listener = serve::bind(host, port, "PORT").await?;
    let shown = deck::watch(talk, frames, reveal);
    if let Some(error) = &shown.borrow().error {
        // The page says so too, and becomes the deck once it is mended.
        tracing::warn!("the talk can't be shown:\n{error}");
    }
    tracing::info!("the deck is at http://{}", listener.local_addr()?);
    let stop = async {
        if let Err(error) = serve::stop_signal().await {
            tracing::error!(%error, "stopping: signals can't be caught");
        }
    };
    serve::serve(listener, deck::app(shown), serve::Limits::default(), stop).await;
    Ok(())
}

impl Common {
    fn read(&self) -> anyhow::Result<(Frames, Reveal)> {
        let frames = Frames::parse(&self.frames).map_err(anyhow::Error::msg)?;
        Ok((frames, Reveal::installed(&self.reveal)?))
    }
}

fn named(reveal: &Reveal) -> String {
    format!("reveal.js {} ({} licence)", reveal.version, reveal.licence)
}

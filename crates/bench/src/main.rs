//! Measures webhooks-core against the bounds of the machine that it runs on; see `scripts/bench`.
//!
//! There are three kinds of process: this one runs the figures and writes their results; the
//! receiver checks every id; and each measurement of the engine is a step in its own process, so
//! that its processor time and memory are the engine's alone and nothing is left over from earlier
//! steps.

mod event;
mod figures;
mod load;
mod machine;
mod name;
mod part;
mod port;
mod process;
mod receiver;
mod receiver_process;
mod report;
mod seed;
mod settings;
mod steps;

use anyhow::Context;
use clap::Parser;

use settings::Settings;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("receiver") => return receiver::run().await,
        Some("bare-handler") => return figures::polis::serve_bare_handler().await,
        Some("step") => {
            let name = arguments.next().context("step: its name is missing")?;
            let step = arguments.next().context("step: its settings are missing")?;
            return steps::run(&name, &step).await;
        }
        _ => {}
    }
    let settings = Settings::parse();
    for name in settings.figures() {
        let figure = figures::run(name, &settings)
            .await
            .with_context(|| format!("figure {name}"))?;
        figure.save(&settings.results)?;
        report::print(&report::text(&figure));
    }
    let figures = report::load_all(&settings.results)?;
    if settings.markdown {
        report::print(&report::markdown(&figures));
    }
    if let Some(file) = &settings.write {
        report::write_between_markers(file, &figures)?;
    }
    Ok(())
}

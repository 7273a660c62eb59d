//! `polis` without a verb: capture until stopped.

use std::{io::Write, process::ExitCode};

use crate::{
    config::{Flags, Settings},
    running::Running,
};

/// Captures until SIGTERM or Ctrl-C.
pub(super) fn run(flags: Flags) -> ExitCode {
    if let Err(error) = serve::logs("warn") {
        return fail(&error);
    }
    let settings = match Settings::read(flags, &serve::Surroundings::of_process()) {
        Ok(settings) => settings,
        Err(error) => return fail(&error),
    };
    for warning in &settings.warnings {
        tell(&format!("polis: {warning}"));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    match runtime.block_on(capture(settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&*error),
    }
}

async fn capture(settings: Settings) -> anyhow::Result<()> {
    let running = crate::start(settings).await?;
    let mut stop = std::pin::pin!(serve::stop_signal());
    tokio::select! {
        biased;
        // The first poll sets up the handlers: the reader of the ready line may stop polis at once.
        stopped = &mut stop => return Ok(stopped?),
        () = std::future::ready(()) => {}
    }
    tell(&ready(&running));
    stop.await?;
    running.stop().await;
    Ok(())
}

fn ready(running: &Running) -> String {
    let (capture, page) = (running.capture_address(), running.page_address());
    let capture = format!("http://{capture}");
    let public = match running.capture_url() {
        url if url == capture || capture.contains("0.0.0.0") => String::new(),
        url => format!(", senders use {url}"),
    };
    format!("polis is ready: it captures on {capture} and shows on http://{page}{public}")
}

fn fail(error: &(impl std::fmt::Display + ?Sized)) -> ExitCode {
    tell(&format!("polis: {error}"));
    ExitCode::from(super::trouble::TROUBLE)
}

fn tell(line: &str) {
    // If stderr is gone, there is nobody left to tell.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

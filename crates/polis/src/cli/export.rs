//! `polis export`: captured requests, as an archive that other tools read or as polis's log.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use super::{
    client::{Api, Client},
    screen::{json_line, tell},
    selection::Selection,
    trouble::{Found, Trouble},
};
use crate::{api::requests::Page, captured::Captured, har, terminal::Logged};

/// The largest page of the API.
const PAGE: usize = 1000;

/// How it is written: as an HTTP archive 1.2, or as `polis --json` writes its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Written {
    Har,
    Log,
}

/// Export captured requests as HAR or as a log of JSON lines, oldest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  polis export -o webhooks.har
  polis export --event 'random_number:*' | jq -c 'select(.what == \"arrived\").request'")]
pub(super) struct Export {
    /// Where to write (default: stdout); an existing file is replaced
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// HTTP archive or JSON lines (default: har for a FILE that ends with .har, else log)
    #[arg(long)]
    format: Option<Written>,
    #[command(flatten)]
    selection: Selection,
    /// Write credentials as they are
    #[arg(long)]
    show_secrets: bool,
    #[command(flatten)]
    api: Api,
}

impl Export {
    pub(super) async fn run(self) -> Result<Found, Trouble> {
        let client = Client::new(&self.api)?;
        let ids = self.ids(&client).await?;
        let written = self.format.unwrap_or_else(|| self.by_name());
        let mut out = self.open()?;
        let mut count = 0_usize;
        if written == Written::Har {
            self.put(&mut out, har::BEGIN.as_bytes())?;
        }
        for id in ids.iter().rev() {
            let captured = match client.captured(*id, self.show_secrets).await {
                Ok(captured) => captured,
                // It was dropped meanwhile.
                Err(Trouble::Refused(_)) => continue,
                Err(trouble) => return Err(trouble),
            };
            match written {
                Written::Har => {
                    let comma: &[u8] = if count > 0 { b",\n" } else { b"\n" };
                    self.put(&mut out, comma)?;
                    self.put(
                        &mut out,
                        json_line(&har::entry(&captured))?.trim_ascii_end(),
                    )?;
                }
                Written::Log => self.put(&mut out, &log_lines(captured)?)?,
            }
            count += 1;
        }
        if written == Written::Har {
            self.put(&mut out, har::END.as_bytes())?;
        }
        out.flush().map_err(|error| self.trouble(error))?;
        let gone = ids.len() - count;
        if gone > 0 {
            tell(&format!(
                "{gone} requests were dropped while this was being written"
            ));
        }
        if let Some(path) = &self.output {
            tell(&format!("{count} requests are in {}", path.display()));
        }
        Ok(Found::Yes)
    }

    /// Newest first, as the API lists them; bounded by what polis keeps.
    async fn ids(&self, client: &Client) -> Result<Vec<u64>, Trouble> {
        let mut ids = Vec::new();
        let mut cursor = None;
        loop {
            let mut query = self.selection.pairs();
            query.push(("limit", PAGE.to_string()));
            if let Some(cursor) = cursor {
                query.push(("cursor", cursor));
            }
            let page: Page = client.json("api/requests", &query).await?;
            ids.extend(page.requests.iter().map(|captured| captured.id));
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(ids);
            }
        }
    }

    fn by_name(&self) -> Written {
        let is_har = self.output.as_deref().is_some_and(|path| {
            path.extension()
                .is_some_and(|extension| extension.eq_ignore_ascii_case("har"))
        });
        if is_har { Written::Har } else { Written::Log }
    }

    fn open(&self) -> Result<Box<dyn Write>, Trouble> {
        Ok(match self.output.as_deref() {
            None => Box::new(BufWriter::new(io::stdout().lock())),
            Some(path) if path == Path::new("-") => Box::new(BufWriter::new(io::stdout().lock())),
            Some(path) => {
                let file = File::create(path).map_err(|error| self.trouble(error))?;
                Box::new(BufWriter::new(file))
            }
        })
    }

    fn put(&self, out: &mut impl Write, bytes: &[u8]) -> Result<(), Trouble> {
        out.write_all(bytes).map_err(|error| self.trouble(error))
    }

    fn trouble(&self, error: io::Error) -> Trouble {
        match &self.output {
            Some(path) if path != Path::new("-") => Trouble::File {
                path: path.clone(),
                error,
            },
            _ => Trouble::Output(error),
        }
    }
}

/// The log's lines for its arrival and its answer.
fn log_lines(mut captured: Captured) -> Result<Vec<u8>, Trouble> {
    let id = captured.id;
    let answer = captured.answer.take();
    let request = Box::new(captured);
    let mut lines = json_line(&Logged::Arrived { request })?;
    if answer.is_some() {
        lines.extend(json_line(&Logged::Answered { id, answer })?);
    }
    Ok(lines)
}

//! `polis ls`: lists captured requests, one per line.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::{
    client::{Api, Client, Pairs},
    screen::{Screen, tell},
    selection::Selection,
    stream::{Stream, Told},
    trouble::{Found, Trouble},
};
use crate::{api::requests::Page, captured::Captured, recall};

/// The largest page of the API.
const PAGE: usize = 1000;
/// Maximum number of requests whose answer is awaited while following; the oldest is forgotten first.
const AWAITED: usize = 4096;

/// List captured requests, the newest last
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  polis ls --event 'random_number:*' --status 5xx
  polis ls --follow --json | jq .event")]
pub(super) struct Ls {
    #[command(flatten)]
    selection: Selection,
    /// The newest ones, at most 1000
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Keep listing new requests as they arrive
    #[arg(long, short)]
    follow: bool,
    /// One JSON object per line
    #[arg(long)]
    json: bool,
    /// Show credentials as they are
    #[arg(long)]
    show_secrets: bool,
    #[command(flatten)]
    api: Api,
}

impl Ls {
    pub(super) async fn run(self) -> Result<Found, Trouble> {
        let client = Client::new(&self.api)?;
        let mut query = self.selection.pairs();
        query.push(("show_secrets", self.show_secrets.to_string()));
        // Opened before the list is read, so that nothing is missed in between.
        let stream = match self.follow {
            true => Some(Stream::open(&client, &query).await?),
            false => None,
        };
        let mut list = List {
            screen: Screen::new(),
            json: self.json,
            newest: 0,
            listed: BTreeSet::new(),
            awaited: BTreeSet::new(),
        };
        let mut page = query.clone();
        page.push(("limit", self.limit.to_string()));
        list.page(&client, &page).await?;
        if let Some(stream) = stream {
            list.follow(&client, stream, query, self.selection.needs_answer())
                .await?;
        }
        Ok(Found::Yes)
    }
}

struct List {
    screen: Screen,
    json: bool,
    newest: u64,
    /// Shown because they were already kept; the stream may report them again.
    listed: BTreeSet<u64>,
    /// Shown without an answer.
    awaited: BTreeSet<u64>,
}

impl List {
    async fn page(&mut self, client: &Client, query: &Pairs) -> Result<(), Trouble> {
        let page: Page = client.json("api/requests", query).await?;
        self.listed = page.requests.iter().map(|captured| captured.id).collect();
        for captured in page.requests.iter().rev() {
            self.show(captured)?;
        }
        Ok(())
    }

    fn show(&mut self, captured: &Captured) -> Result<(), Trouble> {
        self.newest = self.newest.max(captured.id);
        if captured.answer.is_none() {
            self.awaited.insert(captured.id);
            if self.awaited.len() > AWAITED {
                self.awaited.pop_first();
            }
        }
        if self.json {
            self.screen.json(captured)
        } else {
            self.screen.row(captured)
        }
    }

    fn answered(&mut self, captured: &Captured) -> Result<(), Trouble> {
        if self.json {
            return self.screen.json(captured);
        }
        let mut text = Vec::new();
        let record = recall::record(captured, Bytes::new());
        self.screen
            .human
            .answer_line(&mut text, &record, recall::answered_at(&record));
        self.screen.put(&text)
    }

    /// Ends when polis does.
    async fn follow(
        &mut self,
        client: &Client,
        mut stream: Stream,
        query: Pairs,
        needs_answer: bool,
    ) -> Result<(), Trouble> {
        loop {
            match stream.next().await? {
                Some(Told::Arrived(captured)) => {
                    // With a filter on answers, the same request is reported again when it is
                    // answered, so it is remembered until then.
                    let new = if needs_answer {
                        self.listed.insert(captured.id)
                    } else {
                        !self.listed.remove(&captured.id)
                    };
                    if new {
                        self.show(&captured)?;
                    }
                }
                Some(Told::Answered(captured)) => {
                    if self.awaited.remove(&captured.id) {
                        self.answered(&captured)?;
                    } else if needs_answer && !self.listed.remove(&captured.id) {
                        self.show(&captured)?;
                    }
                }
                Some(Told::Missed) => {
                    tell("requests came faster than they could be followed; some were left out");
                    let mut missed: Pairs = query.clone();
                    missed.retain(|(name, _)| *name != "since");
                    missed.push(("since", self.newest.to_string()));
                    missed.push(("limit", PAGE.to_string()));
                    self.page(client, &missed).await?;
                }
                None => {
                    tell("polis has stopped");
                    return Ok(());
                }
            }
        }
    }
}

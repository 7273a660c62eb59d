//! A port that leads to a server, and cuts the connection that writes at a statement of one's choice.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf},
    sync::watch,
};

/// What only the writer's transactions begin with.
const WRITES: &str = "pg_current_xact_id";

/// When the connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The server never gets the statement.
    Before,
    /// The server gets it, and its answer is lost.
    After,
    /// The server gets it when the client has long gone on: [`LATE`] later.
    Late,
    /// The server gets it, its answer is lost, and nothing passes until [`Scissors::open`].
    Last,
}

/// Longer than it takes to find out what became of what was lost.
pub(crate) const LATE: Duration = Duration::from_millis(1_500);

/// A port that leads to a server, and cuts the connection that writes.
pub(crate) struct Scissors {
    port: u16,
    plan: Arc<Mutex<Plan>>,
    /// Whether nothing passes.
    closed: watch::Sender<bool>,
}

#[derive(Default)]
struct Plan {
    /// How many more statements pass, and what happens then.
    next: Option<(usize, Cut)>,
    /// They count from the first on that has this.
    from: Option<&'static str>,
    /// What those have that count.
    at: &'static str,
    /// The statement at which it happened.
    made: Option<String>,
    /// All those that were made since somebody listens.
    heard: Option<Vec<String>>,
}

impl Scissors {
    pub(crate) async fn before(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let scissors = Self {
            port: listener.local_addr().unwrap().port(),
            plan: Arc::default(),
            closed: watch::Sender::new(false),
        };
        let plan = Arc::clone(&scissors.plan);
        let closed = scissors.closed.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let plan = Arc::clone(&plan);
                let last = closed.clone();
                let mut closed = closed.subscribe();
                tokio::spawn(async move {
                    tokio::select! {
                        biased;
                        _ = closed.wait_for(|closed| *closed) => Ok(()),
                        led = lead(client, server, plan, last) => led,
                    }
                });
            }
        });
        scissors
    }

    /// Of a database there.
    pub(crate) fn address(&self) -> String {
        let port = self.port;
        format!("postgres://scratch@127.0.0.1:{port}/postgres?schema=hooks&sslmode=disable")
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// All connections are cut, and so are new ones.
    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
    }

    /// New connections are led again.
    pub(crate) fn open(&self) {
        self.closed.send_replace(false);
    }

    /// Cuts the connection that writes once, at the statement behind `passing` others.
    pub(crate) fn cut_behind(&self, passing: usize, cut: Cut) {
        *self.plan.lock() = Plan {
            next: Some((passing, cut)),
            ..Plan::default()
        };
    }

    /// Cuts the connection that writes once, at the first statement that has `what`.
    pub(crate) fn cut_at(&self, what: &'static str, cut: Cut) {
        *self.plan.lock() = Plan {
            next: Some((0, cut)),
            at: what,
            ..Plan::default()
        };
    }

    /// Cuts the connection that writes once, at the commit of the first transaction with a statement that has
    /// `what`.
    pub(crate) fn cut_commit_of(&self, what: &'static str, cut: Cut) {
        *self.plan.lock() = Plan {
            next: Some((0, cut)),
            from: Some(what),
            at: "commit",
            ..Plan::default()
        };
    }

    /// Listens to what is asked on the connection that writes, from now on.
    pub(crate) fn listen(&self) {
        self.plan.lock().heard = Some(Vec::new());
    }

    /// What was asked since then.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.plan.lock().heard.take().unwrap_or_default()
    }

    /// It is not cut yet.
    pub(crate) fn is_waiting(&self) -> bool {
        self.plan.lock().next.is_some()
    }

    /// The statement at which it was cut. `None` when there were not so many, and none is cut any more.
    pub(crate) fn made(&self) -> Option<String> {
        let mut plan = self.plan.lock();
        plan.next = None;
        plan.made.take()
    }
}

impl Plan {
    /// A statement comes by.
    fn step(&mut self, statement: &str) -> Option<Cut> {
        if let Some(heard) = &mut self.heard {
            heard.push(statement.to_owned());
        }
        let (passing, cut) = self.next?;
        if let Some(from) = self.from {
            if statement.contains(from) {
                self.from = None;
            }
            return None;
        }
        if !statement.contains(self.at) {
            return None;
        }
        if passing > 0 {
            self.next = Some((passing - 1, cut));
            return None;
        }
        self.next = None;
        self.made = Some(statement.to_owned());
        Some(cut)
    }
}

/// Leads one connection until either end closes it, or it is cut.
async fn lead(
    client: TcpStream,
    server: u16,
    plan: Arc<Mutex<Plan>>,
    closed: watch::Sender<bool>,
) -> std::io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", server)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let asked = async {
        let mut messages = Messages::of(from_client);
        to_server.write_all(&messages.first().await?).await?;
        let mut statements = HashMap::new();
        let mut said = String::new();
        let (mut writes, mut runs) = (false, false);
        // The messages of one statement go to the server together.
        let mut whole = Vec::new();
        loop {
            let message = messages.next().await?;
            let mut texts = message[5..].split(|byte| *byte == 0);
            let mut text =
                || String::from_utf8_lossy(texts.next().unwrap_or_default()).into_owned();
            match message[0] {
                b'Q' => {
                    said = text();
                    runs = true;
                }
                b'P' => {
                    let name = text();
                    said = text();
                    statements.insert(name, said.clone());
                }
                b'B' => {
                    text();
                    said = statements.get(&text()).cloned().unwrap_or_default();
                    runs = true;
                }
                _ => {}
            }
            writes |= said.contains(WRITES);
            // What the server answers to before anything else is said; what is only prepared is none.
            let ends = matches!(message[0], b'Q' | b'S');
            let is_statement = ends && std::mem::take(&mut runs);
            let cut = if writes && is_statement {
                plan.lock().step(&said)
            } else {
                None
            };
            let is_part = matches!(message[0], b'P' | b'B' | b'D' | b'E' | b'C');
            whole.extend_from_slice(&message);
            if is_part {
                continue;
            }
            match cut {
                None => to_server.write_all(&std::mem::take(&mut whole)).await?,
                Some(Cut::Before) => return std::io::Result::Ok(()),
                Some(Cut::After) => return to_server.write_all(&whole).await,
                Some(Cut::Last) => {
                    to_server.write_all(&whole).await?;
                    closed.send_replace(true);
                    return Ok(());
                }
                Some(Cut::Late) => {
                    tokio::spawn(async move {
                        tokio::time::sleep(LATE).await;
                        // The server may have closed it.
                        let _ = to_server.write_all(&whole).await;
                        tokio::time::sleep(LATE).await;
                    });
                    return Ok(());
                }
            }
        }
    };
    tokio::select! {
        asked = asked => asked,
        answered = tokio::io::copy(&mut from_server, &mut to_client) => answered.map(drop),
    }
}

/// What a client says.
struct Messages {
    from: OwnedReadHalf,
}

impl Messages {
    fn of(from: OwnedReadHalf) -> Self {
        Self { from }
    }

    /// The first message has no kind: a length and what it counts.
    async fn first(&mut self) -> std::io::Result<Vec<u8>> {
        self.read(Vec::new()).await
    }

    /// Its kind, its length and what that counts.
    async fn next(&mut self) -> std::io::Result<Vec<u8>> {
        let kind = self.from.read_u8().await?;
        self.read(vec![kind]).await
    }

    async fn read(&mut self, mut message: Vec<u8>) -> std::io::Result<Vec<u8>> {
        let length = self.from.read_u32().await?;
        message.extend_from_slice(&length.to_be_bytes());
        let begins = message.len();
        message.resize(begins + usize::try_from(length).unwrap() - 4, 0);
        self.from.read_exact(&mut message[begins..]).await?;
        Ok(message)
    }
}

//! A proxy between a node and Postgres, which can fail as a network does.

use std::sync::{
    Arc,
    atomic::{AtomicU8, AtomicU64, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Notify, watch},
};

use crate::port;

/// What a client sends to commit and at no other time: the end of a simple query.
const COMMIT: &[u8] = b"commit\0";

/// A text that only occurs in a statement that is a transaction by itself.
const WHOLE: &[u8] = b"alive and writer =";
/// The prefix of the names of prepared statements.
const NAME: &[u8] = b"sqlx_s_";

/// What happens to bytes on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// They pass.
    Open,
    /// They wait, in both directions; neither side is notified.
    Stalled,
    /// Every connection is closed, and so is each new one.
    Closed,
}

/// What happens when the next commit passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum AtCommit {
    /// Nothing.
    Pass = 0,
    /// The connections are closed before the server receives it.
    CutBefore = 1,
    /// The server receives it, and the connections are closed: its answer is lost.
    CutAfter = 2,
    /// The server receives it, and [`Proxy::commit`] returns.
    Tell = 3,
}

#[derive(Debug, Clone, Copy)]
struct Gate {
    flow: Flow,
    /// Connections with a lower number are closed.
    cut_below: u64,
    /// Connections with a lower number carry nothing more, and neither side is notified.
    silent_below: u64,
}

/// A port that leads to Postgres.
#[derive(Debug, Clone)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    upstream: watch::Receiver<u16>,
    gate: watch::Sender<Gate>,
    next: AtomicU64,
    at_commit: AtomicU8,
    committed: Notify,
}

impl Proxy {
    /// Forwards a free port to the port that `upstream` has at the time.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start(upstream: watch::Receiver<u16>) -> std::io::Result<Self> {
        let listener = port::listen()?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            upstream,
            gate: watch::Sender::new(Gate {
                flow: Flow::Open,
                cut_below: 0,
                silent_below: 0,
            }),
            next: AtomicU64::new(0),
            at_commit: AtomicU8::new(AtCommit::Pass as u8),
            committed: Notify::new(),
        });
        tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { port, shared })
    }

    /// The port on 127.0.0.1 that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes what happens to bytes.
    pub fn set(&self, flow: Flow) {
        self.shared.gate.send_modify(|gate| gate.flow = flow);
        if flow == Flow::Closed {
            self.shared.cut();
        }
    }

    /// The existing connections never carry anything more, though they stay open. New ones do.
    pub fn silence(&self) {
        let next = self.shared.next.load(Ordering::SeqCst);
        let below = |gate: &mut Gate| gate.silent_below = next;
        self.shared.gate.send_modify(below);
    }

    /// Chooses what happens at the next commit.
    pub fn at_commit(&self, what: AtCommit) {
        self.shared.at_commit.store(what as u8, Ordering::SeqCst);
    }

    /// Returns once that has happened at a commit.
    pub async fn commit(&self) {
        self.shared.committed.notified().await;
    }
}

impl Shared {
    fn cut(&self) {
        let next = self.next.load(Ordering::SeqCst);
        self.gate.send_modify(|gate| gate.cut_below = next);
    }

    /// What to do now that a commit passes; it is done once.
    fn taken_at_commit(&self) -> AtCommit {
        match self.at_commit.swap(AtCommit::Pass as u8, Ordering::SeqCst) {
            1 => AtCommit::CutBefore,
            2 => AtCommit::CutAfter,
            3 => AtCommit::Tell,
            _ => AtCommit::Pass,
        }
    }
}

/// What commits on one connection other than `commit` itself.
#[derive(Default)]
struct Wholes {
    /// How each is bound: an unnamed portal, and the statement's name.
    bound: Vec<Vec<u8>>,
}

impl Wholes {
    /// Whether what a client sends commits something.
    fn commits(&mut self, bytes: &[u8]) -> bool {
        if let Some(at) = find(bytes, WHOLE) {
            // It is being prepared: its name precedes it.
            let name = bytes[..at]
                .windows(NAME.len())
                .rposition(|part| part == NAME);
            let name = name.map(|from| bytes[from..].split(|byte| *byte == 0));
            if let Some(name) = name.and_then(|mut parts| parts.next()) {
                self.bound.push([b"\0", name, b"\0"].concat());
            }
            return false;
        }
        let is_bound = |bound: &Vec<u8>| find(bytes, bound).is_some();
        find(bytes, COMMIT).is_some() || self.bound.iter().any(is_bound)
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|part| part == what)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        let number = shared.next.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(lead(client, number, Arc::clone(&shared)));
    }
}

/// Forwards one connection until either end closes it, or it is cut.
async fn lead(client: TcpStream, number: u64, shared: Arc<Shared>) {
    let mut gate = shared.gate.subscribe();
    let is_cut = |gate: &Gate| gate.flow == Flow::Closed || gate.cut_below > number;
    let led = async {
        // A stalled server does not answer new connections either.
        let _ = shared
            .gate
            .subscribe()
            .wait_for(|gate| gate.flow != Flow::Stalled)
            .await;
        let port = *shared.upstream.borrow();
        let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else {
            return;
        };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::select! {
            () = pump(from_client, to_server, number, &shared, true) => {}
            () = pump(from_server, to_client, number, &shared, false) => {}
        }
    };
    tokio::select! {
        () = led => {}
        _ = gate.wait_for(is_cut) => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    number: u64,
    shared: &Shared,
    is_to_server: bool,
) {
    let mut gate = shared.gate.subscribe();
    let mut bytes = vec![0; 64 * 1024];
    let mut wholes = Wholes::default();
    loop {
        let read = from.read(&mut bytes).await;
        let passes = |gate: &Gate| gate.flow != Flow::Stalled && gate.silent_below <= number;
        if gate.wait_for(passes).await.is_err() {
            return;
        }
        let part = match read {
            Ok(0) | Err(_) => return,
            Ok(read) => &bytes[..read],
        };
        let at_commit = if is_to_server && wholes.commits(part) {
            shared.taken_at_commit()
        } else {
            AtCommit::Pass
        };
        if at_commit == AtCommit::CutBefore {
            shared.committed.notify_one();
            shared.cut();
            return;
        }
        if to.write_all(part).await.is_err() {
            return;
        }
        if at_commit != AtCommit::Pass {
            shared.committed.notify_one();
        }
        if at_commit == AtCommit::CutAfter {
            shared.cut();
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_that_commits_by_itself_is_known_when_it_is_bound() {
        let mut wholes = Wholes::default();
        let prepare = b"P\0\0\x01\x40sqlx_s_7\0with me as (select 1 where alive and writer = $2)\0";
        assert!(!wholes.commits(prepare));
        assert!(!wholes.commits(b"B\0\0\0\x20\0sqlx_s_71\0\0"));
        assert!(wholes.commits(b"B\0\0\0\x20\0sqlx_s_7\0\0"));
        assert!(wholes.commits(b"Q\0\0\0\x16select 1; commit\0"));
        assert!(!wholes.commits(b"Q\0\0\0\x0abegin\0"));
    }
}

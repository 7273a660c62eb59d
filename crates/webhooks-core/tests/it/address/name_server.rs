//! A name server that changes its mind, and the smallest client that can ask it. Real packets
//! over UDP, so that nothing between two lookups could hide in a stub.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use reqwest::dns::Addrs;
use tokio::net::UdpSocket;
use webhooks_core::{LookupError, Resolve, Resolved, Resolving};

/// The fixed part of every packet: id, flags, and how many entries follow.
const HEADER_BYTES: usize = 12;

/// Type A, class IN: what is asked for after the name.
const TYPE_AND_CLASS: [u8; 4] = [0, 1, 0, 1];

/// Answers each question with the next address of its list; the last one repeats.
pub(crate) struct RebindingNameServer {
    address: SocketAddr,
    questions: Arc<AtomicUsize>,
}

impl RebindingNameServer {
    pub(crate) async fn start(answers: &'static [Ipv4Addr]) -> Self {
        Self::start_at("127.0.0.1:0", answers).await
    }

    pub(crate) async fn start_at(address: &str, answers: &'static [Ipv4Addr]) -> Self {
        let socket = UdpSocket::bind(address).await.unwrap();
        let address = socket.local_addr().unwrap();
        let questions = Arc::new(AtomicUsize::new(0));
        let asked = Arc::clone(&questions);
        tokio::spawn(async move {
            let mut packet = [0; 512];
            while let Ok((length, client)) = socket.recv_from(&mut packet).await {
                let turn = asked.fetch_add(1, Ordering::SeqCst);
                let address = answers[turn.min(answers.len() - 1)];
                let answer = answer(&packet[..length], address);
                socket.send_to(&answer, client).await.unwrap();
            }
        });
        Self { address, questions }
    }

    pub(crate) fn questions(&self) -> usize {
        self.questions.load(Ordering::SeqCst)
    }

    pub(crate) fn client(&self) -> Arc<NameClient> {
        Arc::new(NameClient(self.address))
    }
}

/// Asks one name server for IPv4 addresses, anew for every lookup.
pub(crate) struct NameClient(SocketAddr);

impl NameClient {
    pub(crate) async fn ask(&self, name: &str) -> io::Result<Ipv4Addr> {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        socket.connect(self.0).await?;
        socket.send(&question(name)).await?;
        let mut packet = [0; 512];
        let length = socket.recv(&mut packet).await?;
        address_in(&packet[..length])
            .ok_or_else(|| io::Error::other("not an answer with one address"))
    }
}

impl Resolve for NameClient {
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a> {
        Box::pin(async move {
            let answer = self.ask(name).await;
            let address = answer.map_err(|error| LookupError::Unavailable(error.to_string()))?;
            Ok(Resolved::new([address.into()], Duration::ZERO))
        })
    }
}

/// For an ordinary client.
impl reqwest::dns::Resolve for NameClient {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let client = Self(self.0);
        Box::pin(async move {
            let address = client.ask(name.as_str()).await?;
            let found = SocketAddr::from((address, 0));
            Ok(Box::new(std::iter::once(found)) as Addrs)
        })
    }
}

fn question(name: &str) -> Vec<u8> {
    // Id 0x1357, recursion desired, one question.
    let mut packet = vec![0x13, 0x57, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.trim_end_matches('.').split('.') {
        packet.push(u8::try_from(label.len()).unwrap());
        packet.extend(label.bytes());
    }
    packet.push(0);
    packet.extend(TYPE_AND_CLASS);
    packet
}

/// Repeats the question and adds one address that may not be kept for even a second.
fn answer(question: &[u8], address: Ipv4Addr) -> Vec<u8> {
    let mut packet = question.to_vec();
    // An answer, recursion available; one question, one answer.
    packet[2..8].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1]);
    // The name is the one right after the header.
    packet.extend([0xc0, u8::try_from(HEADER_BYTES).unwrap()]);
    packet.extend(TYPE_AND_CLASS);
    let (seconds_to_live, length) = ([0; 4], [0, 4]);
    packet.extend(seconds_to_live);
    packet.extend(length);
    packet.extend(address.octets());
    packet
}

fn address_in(packet: &[u8]) -> Option<Ipv4Addr> {
    let one_answer = packet.get(6..8)? == [0, 1];
    let octets: [u8; 4] = packet
        .get(packet.len().checked_sub(4)?..)?
        .try_into()
        .ok()?;
    one_answer.then(|| octets.into())
}

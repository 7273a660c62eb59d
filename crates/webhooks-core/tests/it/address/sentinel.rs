//! A listener that should stay lonely, and that answers whoever comes.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

pub(crate) struct Sentinel {
    pub(crate) port: u16,
    visits: Arc<AtomicUsize>,
}

impl Sentinel {
    /// Listens on every loopback address there is, with one port.
    pub(crate) async fn start(answer: impl Into<String>) -> Self {
        let visits = Arc::new(AtomicUsize::new(0));
        let answer: Arc<str> = answer.into().into();
        let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = first.local_addr().unwrap().port();
        watch(first, &visits, &answer);
        // Machines without IPv6, or with that port taken there, still have the first.
        if let Ok(second) = TcpListener::bind(("::1", port)).await {
            watch(second, &visits, &answer);
        }
        Self { port, visits }
    }

    pub(crate) fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }
}

fn watch(listener: TcpListener, visits: &Arc<AtomicUsize>, answer: &Arc<str>) {
    let (visits, answer) = (Arc::clone(visits), Arc::clone(answer));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            visits.fetch_add(1, Ordering::SeqCst);
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
}

/// An answer that ends its connection, so that the next attempt has to dial.
pub(crate) const NO_CONTENT: &str = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";

//! A port that leads to one server after the other.

use std::sync::{
    Arc,
    atomic::{AtomicU16, Ordering},
};

use tokio::net::{TcpListener, TcpStream};

/// A port that leads to one server after the other. A connection stays where it was led.
pub(crate) struct Line {
    port: u16,
    server: Arc<AtomicU16>,
}

impl Line {
    pub(crate) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let line = Self {
            port: listener.local_addr().unwrap().port(),
            server: Arc::new(AtomicU16::new(server)),
        };
        let server = Arc::clone(&line.server);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let port = server.load(Ordering::SeqCst);
                tokio::spawn(async move {
                    // One that is down closes what leads to it.
                    let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
                    tokio::io::copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        line
    }

    /// Of a database there.
    pub(crate) fn address(&self) -> String {
        let port = self.port;
        format!("postgres://scratch@127.0.0.1:{port}/postgres?schema=hooks&sslmode=disable")
    }

    pub(crate) fn leads_to(&self, server: u16) {
        self.server.store(server, Ordering::SeqCst);
    }
}

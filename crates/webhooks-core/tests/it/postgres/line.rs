//! A port that leads to one server after the other, and whose connections can fall silent.

use std::sync::{
    Arc,
    atomic::{AtomicU16, Ordering},
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// A port that leads to one server after the other. A connection stays where it was led.
pub(crate) struct Line {
    port: u16,
    server: Arc<AtomicU16>,
    /// How often all that there were fell silent.
    silences: watch::Sender<u32>,
}

impl Line {
    pub(crate) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let line = Self {
            port: listener.local_addr().unwrap().port(),
            server: Arc::new(AtomicU16::new(server)),
            silences: watch::Sender::default(),
        };
        let server = Arc::clone(&line.server);
        let silences = line.silences.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let port = server.load(Ordering::SeqCst);
                let mut silenced = silences.subscribe();
                tokio::spawn(async move {
                    // One that is down closes what leads to it.
                    let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
                    let led = tokio::io::copy_bidirectional(&mut client, &mut server);
                    tokio::select! {
                        led = led => return led.map(drop),
                        silent = silenced.changed() => silent.map_err(std::io::Error::other)?,
                    }
                    // Nothing passes any more, and neither end is told.
                    std::future::pending().await
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

    /// The connections that there are never bring anything more. New ones do.
    pub(crate) fn silence(&self) {
        self.silences.send_modify(|silences| *silences += 1);
    }

    pub(crate) fn leads_to(&self, server: u16) {
        self.server.store(server, Ordering::SeqCst);
    }
}

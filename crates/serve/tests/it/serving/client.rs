//! A client that sends exactly the bytes it is told to.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::server::within;

pub(crate) struct Client(TcpStream);

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self(within(TcpStream::connect(address)).await.unwrap())
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within(self.0.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Reads until `end` was read.
    pub(crate) async fn read_until(&mut self, end: &str) -> String {
        let mut read = Vec::new();
        while !read.ends_with(end.as_bytes()) {
            let byte = within(self.0.read_u8()).await;
            read.push(byte.unwrap_or_else(|error| {
                panic!("{error} after {:?}", String::from_utf8_lossy(&read))
            }));
        }
        String::from_utf8(read).unwrap()
    }

    /// Reads until the server closes the connection. A reset is a close too, but only an orderly
    /// one lets a client be sure of what it read.
    pub(crate) async fn read_to_close(&mut self) -> (String, Closed) {
        let mut read = Vec::new();
        let closed = match within(self.0.read_to_end(&mut read)).await {
            Ok(_) => Closed::Orderly,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Closed::Reset,
            Err(error) => panic!("{error}"),
        };
        (String::from_utf8_lossy(&read).into_owned(), closed)
    }

    /// Sends one byte after the other, forever, until the server closes the connection; then
    /// tells what it answered.
    pub(crate) async fn trickle(&mut self, byte: &[u8]) -> String {
        let (mut reader, mut writer) = self.0.split();
        let trickling = async {
            let mut beat = tokio::time::interval(Duration::from_millis(5));
            loop {
                beat.tick().await;
                if writer.write_all(byte).await.is_err() {
                    // The reader learns of it too.
                    std::future::pending::<()>().await;
                }
            }
        };
        let mut read = Vec::new();
        let reading = async {
            // An error is a reset: closed as well.
            let _ = reader.read_to_end(&mut read).await;
        };
        within(async {
            tokio::select! {
                () = reading => {}
                () = trickling => {}
            }
        })
        .await;
        String::from_utf8_lossy(&read).into_owned()
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    Orderly,
    Reset,
}

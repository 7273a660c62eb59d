//! What the log says while the disk is full: enough to know, and no more than that.
#![cfg(feature = "testing")]

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use crate::world::{World, seconds};
use webhooks_core::Event;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn lines(&self, containing: &str) -> usize {
        let bytes = self.0.lock().unwrap();
        let text = String::from_utf8_lossy(&bytes);
        text.lines()
            .filter(|line| line.contains(containing))
            .count()
    }
}

async fn limit_pages(world: &World, pages: u32) {
    let limited = world.webhooks.transaction(move |tx| {
        let sql = format!("pragma max_page_count = {pages}");
        tx.query_row(&sql, [], |_| Ok(()))
    });
    limited.await.unwrap();
}

/// Large enough that a nearly full disk refuses it.
async fn refused_sends(world: &World, count: usize) {
    for _ in 0..count {
        let event = Event::new("a", &"x".repeat(200_000));
        world.webhooks.send("acme", event).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_full_disk_is_said_once_in_ten_seconds_and_its_end_too() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();
    let folder = tempfile::tempdir().unwrap();
    let world = World::on_file(&folder.path().join("w.db")).await;
    limit_pages(&world, 60).await;
    refused_sends(&world, 10).await;
    let refusals = "nothing of this transaction was stored";
    assert_eq!(log.lines(refusals), 1);
    world.clock.advance(seconds(11));
    refused_sends(&world, 10).await;
    assert_eq!(log.lines(refusals), 2);
    limit_pages(&world, 100_000).await;
    world.send("after").await;
    assert_eq!(log.lines("stored again refused=20"), 1);
}

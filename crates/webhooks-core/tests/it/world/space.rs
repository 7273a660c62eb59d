//! A store that has no space for what is large.

use webhooks_core::{Event, SendError, StoreError};

use crate::world::{
    World,
    outside::{Outside, Sql},
};

/// Space for everything: SQLite's own limit.
const PLENTY: u32 = 4_294_967_294;
/// Pages of 4 KiB: room for anything small, not for an event that is [`large`].
const FEW: u32 = 5;

/// What Postgres says when it finds no space for a row.
const FILL: &str = "
    create function disk_full() returns trigger language plpgsql as $$
    begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$;
    create trigger disk_full before insert on webhooks.event
        for each row when (length(new.body) > 50000) execute function disk_full()";

/// Larger than what a store that is short of space still takes.
pub(crate) fn large(id: &str) -> Event {
    Event::new("random_number:generate", &"x".repeat(100_000)).id(id)
}

/// Whether a store was short of space.
pub(crate) fn is_refusal(error: &SendError) -> bool {
    matches!(
        error,
        SendError::Store(StoreError::Full | StoreError::RolledBack)
    )
}

impl World {
    /// From now on there is no space for what is [`large`].
    pub(crate) async fn run_short_of_space(&self) {
        if self.is_on_postgres() {
            self.run_in_postgres(FILL).await;
            return;
        }
        let pages = self
            .webhooks
            .transaction(|tx| tx.query_row("pragma page_count", [], |row| row.get::<_, u32>(0)));
        let pages = pages.await.unwrap();
        self.set_pages(pages + FEW).await;
    }

    /// There is space again.
    pub(crate) async fn have_space_again(&self) {
        if self.is_on_postgres() {
            self.run_in_postgres("drop function disk_full() cascade")
                .await;
            return;
        }
        self.set_pages(PLENTY).await;
    }

    fn is_on_postgres(&self) -> bool {
        self.address.starts_with("postgres:")
    }

    async fn run_in_postgres(&self, postgres: &str) {
        let sqlite = "";
        Outside::at(&self.address)
            .run(Sql { sqlite, postgres })
            .await;
    }

    /// SQLite's connection of the engine is told how many pages there may be: beyond them it says that the disk is
    /// full.
    pub(crate) async fn set_pages(&self, pages: u32) {
        let set = self.webhooks.transaction(move |tx| {
            let sql = format!("pragma max_page_count = {pages}");
            tx.query_row(&sql, [], |_| Ok(()))
        });
        set.await.unwrap();
    }
}

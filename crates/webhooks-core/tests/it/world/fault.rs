//! A store that refuses, made so from outside of the engine.

use webhooks_core::Event;

use crate::{
    each_store::Database,
    world::{World, seconds},
};

/// What becomes of a transaction that meets the fault.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Meeting {
    /// It is rolled back by the store itself.
    RollsBack,
    /// It is left to the engine, which rolls it back.
    Aborts,
}

/// Rows of one of our tables cannot be stored, until this is mended.
pub(crate) struct Fault {
    file: String,
}

impl Fault {
    pub(crate) async fn plant(database: &Database, table: &str, meeting: Meeting) -> Self {
        let file = database.address.strip_prefix("sqlite:").unwrap().to_owned();
        let kind = match meeting {
            Meeting::RollsBack => "rollback",
            Meeting::Aborts => "abort",
        };
        let fault = Self { file };
        fault.run(&format!(
            "create trigger fault before insert on webhooks_{table}
             begin select raise({kind}, 'planted'); end"
        ));
        fault
    }

    /// Waits until a transaction has failed.
    pub(crate) async fn is_met(&self, world: &World) {
        let event = || Event::new("random_number:generate", &1);
        while world.webhooks.send("nobody", event()).await.is_ok() {}
    }

    pub(crate) async fn mend(self) {
        self.run("drop trigger fault");
    }

    fn run(&self, sql: &str) {
        let connection = rusqlite::Connection::open(&self.file).unwrap();
        connection.busy_timeout(seconds(30)).unwrap();
        connection.execute_batch(sql).unwrap();
    }
}

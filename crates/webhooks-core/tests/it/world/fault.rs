//! A store that refuses, made so from outside of the engine.

use webhooks_core::Event;

use crate::world::{
    World,
    outside::{Outside, Sql},
};

/// What becomes of a transaction that meets the fault. Postgres does not know the first.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Meeting {
    /// It is rolled back by the store itself.
    RollsBack,
    /// It is left to the engine, which rolls it back.
    Aborts,
    /// The same, and the server says that it is its own trouble, whatever was to be written.
    #[cfg(feature = "postgres")]
    LacksResources,
}

/// Something of our tables cannot be stored, until this is mended.
pub(crate) struct Fault {
    outside: Outside,
    table: String,
}

impl Fault {
    /// Rows of this table cannot be inserted.
    pub(crate) async fn plant(address: &str, table: &str, meeting: Meeting) -> Self {
        Self::plant_before("insert", address, table, "true", meeting).await
    }

    /// No delivery that waits in the store can be taken into memory.
    pub(crate) async fn plant_in_claims(address: &str) -> Self {
        let claims = "new.claim is not null";
        Self::plant_before("update", address, "delivery", claims, Meeting::Aborts).await
    }

    async fn plant_before(
        change: &str,
        address: &str,
        table: &str,
        when: &str,
        meeting: Meeting,
    ) -> Self {
        let (kind, code) = match meeting {
            Meeting::RollsBack => ("rollback", "P0001"),
            Meeting::Aborts => ("abort", "P0001"),
            #[cfg(feature = "postgres")]
            Meeting::LacksResources => ("abort", "53000"),
        };
        let sqlite = format!(
            "create trigger fault before {change} on webhooks_{table} when ({when})
             begin select raise({kind}, 'planted'); end"
        );
        // That it was met is kept in a sequence: no rollback changes it.
        let postgres = format!(
            "create sequence fault_met;
             create function fault() returns trigger language plpgsql as $$ begin
                 perform nextval('public.fault_met');
                 raise exception 'planted' using errcode = '{code}';
             end $$;
             create trigger fault before {change} on webhooks.{table}
                 for each row when ({when}) execute function public.fault()"
        );
        let fault = Self {
            outside: Outside::at(address),
            table: table.to_owned(),
        };
        let sql = Sql {
            sqlite: &sqlite,
            postgres: &postgres,
        };
        fault.outside.run(sql).await;
        fault
    }

    /// Waits until a transaction has failed.
    pub(crate) async fn is_met(&self, world: &World) {
        match &self.outside {
            Outside::Sqlite(_) => {
                let event = || Event::new("random_number:generate", &1);
                while world.webhooks.send("nobody", event()).await.is_ok() {}
            }
            #[cfg(feature = "postgres")]
            Outside::Postgres(_) => {
                let met = Sql {
                    sqlite: "",
                    postgres: "select is_called::text from fault_met",
                };
                while self.outside.rows(met).await != ["true"] {}
            }
        }
    }

    pub(crate) async fn mend(self) {
        let postgres = format!(
            "drop trigger fault on webhooks.{}; drop function fault; drop sequence fault_met",
            self.table
        );
        let sql = Sql {
            sqlite: "drop trigger fault",
            postgres: &postgres,
        };
        self.outside.run(sql).await;
    }
}

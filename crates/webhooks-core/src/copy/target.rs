//! The schema that a store is copied into, and the progress of the copy.
//!
//! The progress is kept in the table `setting`: `copy_boot` and `copy_reached` identify the file,
//! `copy_position_<table>` is the position of the last row that was written. At the end they are replaced by
//! `copied_boot`, `copied_reached` and `copied_<table>`, the number of rows.

use std::{collections::HashMap, time::Duration};

use sqlx::AssertSqlSafe;

use super::{
    error::CopyError,
    report::{CopiedTable, CopyReport},
    slice::Slice,
    source::Origin,
    table::{TABLES, Table},
};
use crate::store::{
    durability::Durability,
    error::StoreError,
    postgres::{
        address::PostgresAddress,
        connection::Connector,
        copying::UNDER_WAY,
        migration,
        node::LEASE,
        row::Reader,
        schema::Schema,
        session::{ANSWER_LIMIT, Session, Statement},
    },
};

/// The position before the first row of any table.
const START: i64 = i64::MIN;
/// How long counting the rows of a table may take.
const COUNT_LIMIT: Duration = Duration::from_secs(3600);
/// The tables that must have no rows for a schema to count as empty.
const CHECKED: [&str; 4] = ["endpoint", "event", "delivery", "outbox"];

/// A schema that is copied into.
pub(super) struct Target {
    connection: Session,
    connector: Connector,
    schema: Schema,
    shown: String,
}

/// The progress of a copy.
pub(super) enum Begun {
    /// The position up to which each table is copied.
    Positions(Vec<i64>),
    /// It was already complete.
    Done(CopyReport),
}

type Result<T, E = CopyError> = std::result::Result<T, E>;

impl Target {
    pub(super) async fn open(address: PostgresAddress) -> Result<Self> {
        let shown = address.shown.clone();
        let schema = address.schema.clone();
        let connector = Connector {
            address,
            durability: Durability::Full,
            answer_limit: ANSWER_LIMIT,
        };
        let connected = connector.connect().await;
        let mut connection =
            connected.map_err(|source| migration::refusal(&shown, &schema, source))?;
        migration::migrate(&mut connection, &schema, &shown).await?;
        Ok(Self {
            connection,
            connector,
            schema,
            shown,
        })
    }

    /// Begins a copy from `origin`, or finds the progress of an earlier one.
    pub(super) async fn begin(&mut self, origin: &Origin) -> Result<Begun> {
        self.begin_transaction().await?;
        // No engine can join from here on, and none that has joined is overlooked. Whatever a killed copy had
        // begun to write has either been written by now or never will be.
        self.run("lock table webhooks.node, webhooks.setting in share row exclusive mode")
            .await?;
        let settings = self.settings().await?;
        let get = |name: &str| settings.get(name).copied();
        let named = |prefix: &str| {
            Some(Origin {
                boot: get(&format!("{prefix}_boot"))?,
                reached: get(&format!("{prefix}_reached"))?,
            })
        };
        let (begun, done) = (named("copy"), named("copied"));
        let found = match (begun.or(done), done) {
            (Some(found), _) if found != *origin => {
                return Err(CopyError::OtherSource {
                    store: self.shown.clone(),
                    schema: self.schema.name().to_owned(),
                });
            }
            (Some(_), None) => {
                let position = |table: &Table| get(&position_of(table)).unwrap_or(START);
                Begun::Positions(TABLES.iter().map(position).collect())
            }
            (Some(_), Some(_)) => {
                let rows = |table: &Table| get(&rows_of(table)).unwrap_or_default().unsigned_abs();
                let counts: Vec<u64> = TABLES.iter().map(rows).collect();
                Begun::Done(report(&counts, &counts))
            }
            (None, _) => {
                self.check_empty().await?;
                self.set(UNDER_WAY, origin.boot).await?;
                self.set("copy_reached", origin.reached).await?;
                for table in &TABLES {
                    self.set(&position_of(table), START).await?;
                }
                Begun::Positions(vec![START; TABLES.len()])
            }
        };
        self.commit().await?;
        Ok(found)
    }

    /// Writes rows of a table and records the new position; `after` is the position before.
    pub(super) async fn write(&mut self, table: &Table, after: i64, slice: &Slice) -> Result<()> {
        self.begin_transaction().await?;
        let reached = self
            .reader()
            .query("update webhooks.setting set value = $3 where name = $1 and value = $2")
            .bind(position_of(table))
            .bind(after)
            .bind(slice.until)
            .execute(&mut self.connection)
            .await
            .map_err(self.refused())?;
        if reached == 0 {
            return Err(CopyError::AnotherCopy {
                store: self.shown.clone(),
                schema: self.schema.name().to_owned(),
            });
        }
        let days = slice.days(table);
        if !days.is_empty() {
            let made = self.reader().make_days(table.name, days).await;
            made.map_err(self.refused())?;
        }
        let insert = self.schema.sql(&table.insert());
        let insert = Statement::built(insert).persistent(self.connector.names_statements());
        let insert = slice
            .values
            .iter()
            .fold(insert, |insert, values| values.bind(insert));
        let inserted = insert.execute(&mut self.connection).await;
        inserted.map_err(self.refused())?;
        self.commit().await
    }

    /// Compares the number of rows with that of the file and completes the copy: from then on engines may open the
    /// schema.
    pub(super) async fn finish(mut self, origin: &Origin, from: &[u64]) -> Result<CopyReport> {
        self.begin_transaction().await?;
        // Whole tables are read, however large.
        self.connection.answers_within(COUNT_LIMIT);
        self.run("set local statement_timeout = 0; set local enable_seqscan = on")
            .await?;
        let mut to = Vec::with_capacity(TABLES.len());
        for table in &TABLES {
            let count = format!("select count(*) from webhooks.{}", table.name);
            to.push(self.number(&count).await?.unsigned_abs());
        }
        let report = report(from, &to);
        let differ: Vec<CopiedTable> = report
            .tables
            .iter()
            .filter(|table| table.from != table.to)
            .cloned()
            .collect();
        if !differ.is_empty() {
            return Err(CopyError::Different { tables: differ });
        }
        self.continue_numbers().await?;
        // Adds a dead node, so that the time since then does not count towards any delivery's wait.
        let noted = self
            .reader()
            .query(
                "insert into webhooks.node (id, name, seen_at, reached_at, alive)
                 values (nextval('webhooks.node_id'), 'copied from a file', clock_timestamp(), $1, false)",
            )
            .bind(origin.reached)
            .execute(&mut self.connection)
            .await;
        noted.map_err(self.refused())?;
        self.run("delete from webhooks.setting where name like 'copy\\_%'")
            .await?;
        self.set("copied_boot", origin.boot).await?;
        self.set("copied_reached", origin.reached).await?;
        for (table, rows) in TABLES.iter().zip(&to) {
            let rows = i64::try_from(*rows).unwrap_or(i64::MAX);
            self.set(&rows_of(table), rows).await?;
        }
        self.commit().await?;
        Ok(report)
    }

    /// Makes whatever is added from now on come after what was copied.
    async fn continue_numbers(&mut self) -> Result<()> {
        let settings = self.settings().await?;
        let last_event = TABLES
            .iter()
            .filter(|table| table.is_by_event())
            .filter_map(|table| settings.get(&position_of(table)).copied())
            .max();
        // An event's number is its batch << 12 | its index in the batch.
        self.number(&format!(
            "select setval('webhooks.event_batch', greatest(last_value, ({}::int8 >> 12) + 1)) from webhooks.event_batch",
            last_event.unwrap_or_default().max(0)
        ))
        .await?;
        for (table, key) in [("endpoint", "key"), ("outbox", "id")] {
            self.number(&format!(
                "select setval(pg_get_serial_sequence('webhooks.{table}', '{key}'), greatest(max({key}), 1), max({key}) is not null)
                 from webhooks.{table}"
            ))
            .await?;
        }
        Ok(())
    }

    /// Refuses a schema that has rows of its own, or on which an engine is running.
    async fn check_empty(&mut self) -> Result<()> {
        for table in CHECKED {
            let rows = format!("select count(*) from (select 1 from webhooks.{table} limit 1) t");
            if self.number(&rows).await? > 0 {
                return Err(CopyError::NotEmpty {
                    store: self.shown.clone(),
                    schema: self.schema.name().to_owned(),
                    table,
                });
            }
        }
        let alive = format!(
            "select count(*) from webhooks.node where alive and seen_at > clock_timestamp() - interval '{} s'",
            LEASE.as_secs()
        );
        if self.number(&alive).await? > 0 {
            return Err(CopyError::EngineRuns {
                store: self.shown.clone(),
                schema: self.schema.name().to_owned(),
            });
        }
        // An engine that is stopped in a debugger must find that it is no longer a node.
        self.run("update webhooks.node set alive = false where alive")
            .await
    }

    fn reader(&mut self) -> Reader<'_> {
        Reader {
            connection: &mut self.connection,
            schema: &self.schema,
            names_statements: self.connector.names_statements(),
        }
    }

    async fn settings(&mut self) -> Result<HashMap<String, i64>> {
        let settings = self
            .reader()
            .query("select name, value from webhooks.setting")
            .read_rows(&mut self.connection)
            .await;
        let settings = settings.map_err(self.refused())?;
        Ok(settings.into_iter().collect())
    }

    async fn set(&mut self, name: &str, value: i64) -> Result<()> {
        let set = self
            .reader()
            .query(
                "insert into webhooks.setting (name, value) values ($1, $2)
                 on conflict (name) do update set value = excluded.value",
            )
            .bind(name)
            .bind(value)
            .execute(&mut self.connection)
            .await;
        set.map(drop).map_err(self.refused())
    }

    /// Runs a statement without parameters and returns the number it yields.
    async fn number(&mut self, statement: &str) -> Result<i64> {
        let number = Statement::built(self.schema.sql(statement))
            .persistent(false)
            .read_value(&mut self.connection)
            .await;
        number.map_err(self.refused())
    }

    /// Runs statements without parameters or results.
    async fn run(&mut self, statements: &str) -> Result<()> {
        let statements = AssertSqlSafe(self.schema.sql(statements));
        let run = self.connection.execute(statements).await;
        run.map_err(self.refused())
    }

    async fn begin_transaction(&mut self) -> Result<()> {
        let begin = self.connector.begin();
        self.run(&begin).await
    }

    async fn commit(&mut self) -> Result<()> {
        self.run("commit").await
    }

    fn refused(&self) -> impl Fn(StoreError) -> CopyError + use<> {
        let store = self.shown.clone();
        move |source| CopyError::Target {
            store: store.clone(),
            source,
        }
    }
}

fn position_of(table: &Table) -> String {
    format!("copy_position_{}", table.name)
}

fn rows_of(table: &Table) -> String {
    format!("copied_{}", table.name)
}

fn report(from: &[u64], to: &[u64]) -> CopyReport {
    let tables = TABLES.iter().zip(from.iter().zip(to));
    let tables = tables.map(|(table, (from, to))| CopiedTable {
        name: table.name,
        from: *from,
        to: *to,
    });
    CopyReport {
        tables: tables.collect(),
    }
}

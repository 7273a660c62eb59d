//! Another program's connection to an engine's database: what a person or an app may do there.

use std::path::PathBuf;

use crate::world::seconds;

/// How another program reaches the database.
pub(crate) enum Outside {
    Sqlite(PathBuf),
    #[cfg(feature = "postgres")]
    Postgres(String),
}

/// The same in the words of each store.
#[derive(Clone, Copy)]
pub(crate) struct Sql<'a> {
    pub(crate) sqlite: &'a str,
    pub(crate) postgres: &'a str,
}

impl Outside {
    /// To the database that an engine opens at `address`.
    pub(crate) fn at(address: &str) -> Self {
        if let Some(file) = address.strip_prefix("sqlite:") {
            assert_ne!(file, ":memory:", "nobody else reaches a database in memory");
            return Self::Sqlite(file.into());
        }
        #[cfg(feature = "postgres")]
        if let Some((url, _)) = address.split_once('?') {
            return Self::Postgres(url.to_owned());
        }
        panic!("{address} is no store's");
    }

    /// Runs statements.
    pub(crate) async fn run(&self, sql: Sql<'_>) {
        match self {
            Self::Sqlite(file) => sqlite(file).execute_batch(sql.sqlite).unwrap(),
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => {
                let mut connection = connect(url).await;
                // A change of a table locks it against the engine, and the two can wait for each
                // other: Postgres ends one of them, of which nothing is done.
                loop {
                    let statements = sqlx::AssertSqlSafe(sql.postgres);
                    match sqlx::Executor::execute(&mut connection, statements).await {
                        Ok(_) => return,
                        Err(error) if is_deadlock(&error) => {}
                        Err(error) => panic!("{}: {error}", sql.postgres),
                    }
                }
            }
        }
    }

    /// Runs a statement that both stores have, with our tables named as in SQLite, and values of bytes
    /// written by [`Self::bytes`]. Returns how many rows it changed.
    pub(crate) async fn change(&self, statement: &str) -> u64 {
        match self {
            Self::Sqlite(file) => {
                let changed = sqlite(file).execute(statement, []).unwrap();
                u64::try_from(changed).unwrap()
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => {
                let statement = sqlx::AssertSqlSafe(in_postgres(statement));
                let mut connection = connect(url).await;
                let changed = sqlx::Executor::execute(&mut connection, statement).await;
                changed.unwrap().rows_affected()
            }
        }
    }

    /// The number that a query counts which both stores have.
    pub(crate) async fn count(&self, sqlite: &str) -> u64 {
        let sqlite = &format!("select cast(({sqlite}) as text)");
        let postgres = &in_postgres(sqlite);
        let rows = self.rows(Sql { sqlite, postgres }).await;
        rows[0].parse().unwrap()
    }

    /// How these bytes are written in a statement.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> String {
        let hex = hex(bytes);
        match self {
            Self::Sqlite(_) => format!("x'{hex}'"),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => format!("'\\x{hex}'"),
        }
    }

    /// Whether these bytes are anywhere in the database.
    pub(crate) async fn has(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Sqlite(file) => {
                let mut files = std::fs::read_dir(file.parent().unwrap()).unwrap();
                files.any(|entry| {
                    let stored = std::fs::read(entry.unwrap().path()).unwrap();
                    stored.windows(bytes.len()).any(|window| window == bytes)
                })
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => {
                let of_postgres = |postgres| Sql {
                    sqlite: "",
                    postgres,
                };
                let of_tables =
                    "select format('select t::text from %I.%I t', schemaname, tablename)
                                 from pg_tables where schemaname = 'webhooks'";
                let tables = self.rows(of_postgres(of_tables)).await;
                assert!(!tables.is_empty(), "there are tables");
                let mut rows = Vec::new();
                for of_table in &tables {
                    rows.extend(self.rows(of_postgres(of_table)).await);
                }
                // Columns of bytes are shown in hexadecimal.
                let (text, hex) = (String::from_utf8_lossy(bytes), hex(bytes));
                rows.iter()
                    .any(|row| row.contains(&*text) || row.contains(&hex))
            }
        }
    }

    /// The rows of a query with one column of text.
    pub(crate) async fn rows(&self, sql: Sql<'_>) -> Vec<String> {
        match self {
            Self::Sqlite(file) => {
                let connection = sqlite(file);
                let mut select = connection.prepare(sql.sqlite).unwrap();
                let rows = select.query_map([], |row| row.get(0)).unwrap();
                rows.collect::<Result<_, _>>().unwrap()
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => {
                let select = sqlx::query_scalar(sqlx::AssertSqlSafe(sql.postgres));
                select.fetch_all(&mut connect(url).await).await.unwrap()
            }
        }
    }
}

/// A statement that names our tables as in SQLite.
fn in_postgres(sqlite: &str) -> String {
    sqlite.replace("webhooks_", "webhooks.")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sqlite(file: &std::path::Path) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(file).unwrap();
    connection.busy_timeout(seconds(30)).unwrap();
    connection
}

#[cfg(feature = "postgres")]
async fn connect(url: &str) -> sqlx::PgConnection {
    <sqlx::PgConnection as sqlx::Connection>::connect(url)
        .await
        .unwrap()
}

#[cfg(feature = "postgres")]
fn is_deadlock(error: &sqlx::Error) -> bool {
    let error = error.as_database_error();
    error.is_some_and(|error| error.code().as_deref() == Some("40P01"))
}

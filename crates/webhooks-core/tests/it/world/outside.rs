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

//! What a server and its user must have before a store is opened on them. Otherwise what is missing would only be
//! found later, by one call after the other.

use futures_util::future::try_join_all;

use super::{
    connection::Connector,
    migration::tables,
    partition::PARTITIONED,
    row::Reader,
    session::{Session, Statement},
};
use crate::store::{error::StoreError, open_error::OpenError};

/// The oldest supported version, as `server_version_num` has it.
const SERVER_VERSION_MIN: i32 = 140_000;
/// The connections of an engine: one that writes, one that watches, one that listens, two that read, and
/// occasionally one more.
const CONNECTIONS: usize = 6;

/// The server's version, as a number and as text.
pub(super) async fn version_of(connection: &mut Session) -> Result<(i32, String), StoreError> {
    Statement::new(
        "select current_setting('server_version_num')::int4, current_setting('server_version')",
    )
    .persistent(false)
    .read_row(connection)
    .await
}

/// Refuses a server that is too old.
pub(super) fn check_version(
    (number, version): (i32, String),
    shown: &str,
) -> Result<(), OpenError> {
    if number < SERVER_VERSION_MIN {
        return Err(OpenError::OldServer {
            store: shown.to_owned(),
            found: version,
        });
    }
    Ok(())
}

/// Checks that a server has as many connections left as an engine needs; the first is already open.
pub(super) async fn check_connections(connector: &Connector) -> Result<(), StoreError> {
    let others = (1..CONNECTIONS).map(|_| connector.connect());
    for connection in try_join_all(others).await? {
        connection.close().await?;
    }
    Ok(())
}

impl Reader<'_> {
    /// The rights on our tables that the user lacks; `None` if nothing is missing.
    pub(super) async fn missing_rights(&mut self) -> Result<Option<String>, StoreError> {
        let missing: Option<String> = self
            .query(
                "select string_agg(t.needed || ' on table ' || t.name, ', ' order by t.name, t.needed)
                 from (select name, needed from unnest($2::text[]) as t(name)
                       cross join unnest(array['delete', 'insert', 'select', 'update']) as p(needed)) t
                 where not has_table_privilege(format('%I.%I', $1, t.name), t.needed)",
            )
            .bind(self.schema.name())
            .bind(tables())
            .read_value(self.connection)
            .await?;
        Ok(match missing {
            Some(missing) => Some(format!("the user lacks: {missing}")),
            None => self.missing_ownership().await?,
        })
    }

    /// Why partitions cannot be created and dropped; `None` if they can. Those of the next days may exist: without
    /// this check, the problem would only show when they are used up.
    async fn missing_ownership(&mut self) -> Result<Option<String>, StoreError> {
        let (of_schema, of_tables): (Option<String>, Option<String>) = self
            .query(
                "select case when not has_schema_privilege($1, 'create')
                        then 'the user may not create tables in the schema, which are needed for each day' end,
                        (select 'the user does not own: table ' || string_agg(c.relname, ', table ' order by c.relname)
                         from pg_class c join pg_namespace n on n.oid = c.relnamespace
                         where n.nspname = $1 and c.relname = any($2) and not pg_has_role(c.relowner, 'usage'))",
            )
            .bind(self.schema.name())
            .bind(PARTITIONED)
            .read_row(self.connection)
            .await?;
        Ok(of_schema.or(of_tables))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_server_older_than_fourteen_is_refused_with_what_it_is() {
        let refused = check_version((130_014, "13.14".to_owned()), "db").unwrap_err();
        let told = refused.to_string();
        assert!(told.contains("13.14") && told.contains("14"), "{told}");
        check_version((140_000, "14.0".to_owned()), "db").unwrap();
    }
}

//! What each of the writer's transactions begins with: that this node lives, and what it needs to know
//! before it writes.

use sqlx::Row;

use super::{
    connection::Connector,
    floor::Horizon,
    membership::Membership,
    send::{Numbers, PLACES},
    session::Session,
};
use crate::{crash_point, store::error::StoreError};

/// Of a node `$1` that needs the numbers of `$2` batches. It holds the node's row, so that the node cannot
/// be declared dead meanwhile. The transaction's own number comes first: who reads by number must be able
/// to know which transactions may still add a lower one.
const HEAD: &str = "
    select pg_current_xact_id()::text::int8,
           (select count(*) from (select 1 from webhooks.node where id = $1 and alive for key share) t),
           (select version from webhooks.change),
           (select string_agg(nextval('webhooks.event_batch')::text, ' ') from generate_series(1, $2)),
           pg_snapshot_xmin(pg_current_snapshot())::text::int8";

/// What a transaction begins with.
#[derive(Default)]
pub(super) struct Head {
    pub(super) numbers: Numbers,
    /// Of all endpoints together.
    pub(super) version: i64,
    pub(super) horizon: Horizon,
}

/// Connects for a writer. Its connections before change nothing any more by a single statement: that would
/// be one that is still under way there, and was given up. [`HEAD`] is prepared there: it is sent along with
/// `begin`, where the driver prepares nothing, and to plan it anew took longer than the rest of a small
/// transaction. Returns too whether the server follows the history in which `node` joined: if not it is no
/// node there.
pub(super) async fn connect(
    connector: &Connector,
    membership: &Membership,
    node: i64,
) -> sqlx::Result<(Session, bool)> {
    let (mut connection, follows) = membership.connect(connector, node).await?;
    if connector.names_statements() {
        let prepare = format!("prepare webhooks_head (int8, int8) as {HEAD}");
        let prepare = connector.address.schema.sql(&prepare);
        connection.execute(sqlx::AssertSqlSafe(prepare)).await?;
        let statement =
            "update webhooks.node set writer = writer + 1 where id = $1 and alive returning writer";
        let statement = connector.address.schema.query(statement).bind(node);
        let row = statement.fetch_optional(&mut connection).await?;
        let writer = row.map(|row| row.try_get(0)).transpose()?;
        connection.writes_as(writer);
    }
    Ok((connection, follows))
}

impl Head {
    /// Begins a transaction of a node, and draws the numbers that so many events get.
    ///
    /// # Errors
    /// [`StoreError::Fenced`]: the node is one no more.
    pub(super) async fn begin(
        connector: &Connector,
        connection: &mut Session,
        (node, events): (i64, usize),
    ) -> Result<Self, StoreError> {
        let batches = events.div_ceil(PLACES);
        let head = if connector.names_statements() {
            format!("execute webhooks_head ({node}, {batches})")
        } else {
            let head = HEAD.replace("$1", &node.to_string());
            head.replace("$2", &batches.to_string())
        };
        let begin = connector.begin();
        let statement = connector.address.schema.sql(&format!("{begin}; {head}"));
        let row = connection.fetch_one(sqlx::AssertSqlSafe(statement)).await?;
        let alive: i64 = row.try_get(1)?;
        if alive == 0 && !crash_point::is_unfenced() {
            return Err(StoreError::Fenced);
        }
        let numbers: Option<String> = row.try_get(3)?;
        let numbers = numbers.unwrap_or_default();
        let numbers = numbers.split_whitespace().map(str::parse);
        let numbers = numbers.collect::<Result<_, _>>().map_err(|error| {
            StoreError::Damaged(format!("a number of the sequence of batches: {error}"))
        })?;
        Ok(Self {
            numbers: Numbers::new(numbers),
            version: row.try_get(2)?,
            horizon: Horizon {
                own: row.try_get(0)?,
                oldest: row.try_get(4)?,
            },
        })
    }
}

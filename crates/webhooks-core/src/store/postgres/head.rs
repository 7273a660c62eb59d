//! How each of the writer's transactions begins: it checks that this node is alive, and reads what it needs to
//! know before it writes.

use super::{
    connection::Connector,
    floor::Horizon,
    membership::Membership,
    send::{Numbers, PLACES},
    session::Session,
};
use crate::{crash_point, store::error::StoreError};

/// For a node `$1` that needs the numbers of `$2` batches. It holds the lock on the node's row, so that the node
/// cannot be declared dead meanwhile. The transaction's own id comes first, because whoever reads by event number
/// must be able to know which transactions may still add a lower one.
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
    /// The version of all endpoints together.
    pub(super) version: i64,
    pub(super) horizon: Horizon,
}

/// Connects for a writer. From then on single-statement batches on its earlier connections change nothing: they
/// could only be statements that are still running there, and were given up. [`HEAD`] is prepared on the connection,
/// because it is sent along with `begin`, where the driver prepares nothing, and planning it again took longer than
/// the rest of a small transaction. Also returns whether the server follows the history in which `node` joined: if
/// not, it is not a node there.
pub(super) async fn connect(
    connector: &Connector,
    membership: &Membership,
    node: i64,
) -> Result<(Session, bool), StoreError> {
    let (mut connection, follows) = membership.connect(connector, node).await?;
    if connector.names_statements() {
        let prepare = format!("prepare webhooks_head (int8, int8) as {HEAD}");
        let prepare = connector.address.schema.sql(&prepare);
        connection.execute(sqlx::AssertSqlSafe(prepare)).await?;
        let statement =
            "update webhooks.node set writer = writer + 1 where id = $1 and alive returning writer";
        let statement = connector.address.schema.query(statement).bind(node);
        let writer = statement.find_value(&mut connection).await?;
        connection.writes_as(writer);
    }
    Ok((connection, follows))
}

impl Head {
    /// Begins a transaction of a node, and draws the numbers for this many events.
    ///
    /// # Errors
    /// [`StoreError::Fenced`]: it is no longer a node.
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
        let (own, alive, version, numbers, oldest): (_, i64, _, Option<String>, _) =
            connection.read_row(sqlx::AssertSqlSafe(statement)).await?;
        if alive == 0 && !crash_point::is_unfenced() {
            return Err(StoreError::Fenced);
        }
        let numbers = numbers.unwrap_or_default();
        let numbers = numbers.split_whitespace().map(str::parse);
        let numbers = numbers.collect::<Result<_, _>>().map_err(|error| {
            StoreError::Damaged(format!("a number of the sequence of batches: {error}"))
        })?;
        Ok(Self {
            numbers: Numbers::new(numbers),
            version,
            horizon: Horizon { own, oldest },
        })
    }
}

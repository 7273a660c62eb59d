//! The live nodes, and what each of them holds.

use sqlx::Row;

use super::read::Reading;
use crate::{
    clock::system_time,
    model::node::Node,
    store::{claim::CLAIM_BITS, error::StoreError},
};

pub(super) async fn read(reading: &mut Reading<'_>, this: i64) -> Result<Vec<Node>, StoreError> {
    let rows = reading
        .query(
            "select n.id, n.name, (extract(epoch from n.seen_at) * 1000)::int8, coalesce(d.held, 0), d.since,
                    (select count(*) from webhooks.lane l where l.node = n.id and l.owned)
             from webhooks.node n
             left join (select claim >> $1 as node, count(*) as held, min(owed_at) as since
                        from webhooks.delivery where claim is not null group by 1) d on d.node = n.id
             where n.alive order by n.id",
        )
        .bind(i32::try_from(CLAIM_BITS).unwrap_or_default())
        .fetch_all(reading.reader.connection)
        .await?;
    rows.iter()
        .map(|row| {
            let id: i64 = row.try_get(0)?;
            let (held, lanes): (i64, i64) = (row.try_get(3)?, row.try_get(5)?);
            let since: Option<i64> = row.try_get(4)?;
            Ok(Node {
                id,
                name: row.try_get(1)?,
                is_this: id == this,
                seen_at: system_time(row.try_get(2)?),
                held: held.unsigned_abs(),
                held_since: since.map(|at| reading.timeline.to_wall(at)),
                lanes: lanes.unsigned_abs(),
            })
        })
        .collect()
}

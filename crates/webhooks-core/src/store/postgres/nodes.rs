//! The live nodes, and what each of them holds.

use super::read::Reading;
use crate::{
    clock::system_time,
    model::node::Node,
    store::{claim::CLAIM_BITS, error::StoreError},
};

pub(super) async fn read(reading: &mut Reading<'_>, this: i64) -> Result<Vec<Node>, StoreError> {
    let rows: Vec<(i64, String, i64, i64, Option<i64>, i64)> = reading
        .query(
            "select n.id, n.name, (extract(epoch from n.seen_at) * 1000)::int8, coalesce(d.held, 0), d.since,
                    (select count(*) from webhooks.lane l where l.node = n.id and l.owned)
             from webhooks.node n
             left join (select claim >> $1 as node, count(*) as held, min(owed_at) as since
                        from webhooks.delivery where claim is not null group by 1) d on d.node = n.id
             where n.alive order by n.id",
        )
        .bind(i32::try_from(CLAIM_BITS).unwrap_or_default())
        .read_rows(reading.reader.connection)
        .await?;
    let nodes = rows
        .into_iter()
        .map(|(id, name, seen_at, held, since, lanes)| Node {
            id,
            name,
            is_this: id == this,
            seen_at: system_time(seen_at),
            held: held.unsigned_abs(),
            held_since: since.map(|at| reading.timeline.to_wall(at)),
            lanes: lanes.unsigned_abs(),
        });
    Ok(nodes.collect())
}

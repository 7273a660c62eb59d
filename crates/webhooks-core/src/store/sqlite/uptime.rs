//! The times in which the engine did not run, as the store keeps them.

use rusqlite::{Connection, params};

use crate::model::uptime::{Outage, Uptime};

/// A gap up to this is not an outage: the interval at which the engine notes that it runs, and some time
/// to spare.
const GAP_MAX_MS: i64 = 60_000;

/// The engine starts at `now`; it had run until `reached`, 0 if it never ran.
pub(crate) fn begin(connection: &Connection, reached: i64, now: i64) -> rusqlite::Result<Uptime> {
    let stored = connection
        .prepare("select began_at, ended_at from webhooks_outage order by began_at")?
        .query_map([], |row| {
            Ok(Outage {
                from: row.get(0)?,
                until: row.get(1)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    let last = (reached > 0 && now.saturating_sub(reached) > GAP_MAX_MS).then_some(Outage {
        from: reached,
        until: now,
    });
    let uptime = Uptime::new(stored, last);
    if last.is_some() {
        connection.execute("delete from webhooks_outage", [])?;
        for outage in uptime.outages() {
            connection.execute(
                "insert into webhooks_outage (began_at, ended_at) values (?1, ?2)",
                params![outage.from, outage.until],
            )?;
        }
    }
    Ok(uptime)
}

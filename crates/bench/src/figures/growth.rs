//! Rate and latency with very many endpoints, and after very many finished deliveries.

use super::{bench::Bench, comparison::Subject, latency::RATES};
use crate::{
    load::{AHEAD, Closed, Order, Store},
    report::{Check, Content, mib, rate},
    seed,
    steps::{AddEndpoints, Sustained, in_own_process},
};

/// The number of endpoints that the load goes to.
const ENDPOINTS: usize = 10;
/// The prefix of the customers' names that fill the store.
const GROWN: &str = "grown";

pub(super) async fn measure(bench: &Bench<'_>) -> anyhow::Result<Content> {
    let settings = bench.settings;
    let (count, finished) = (settings.grown_endpoints(), settings.finished());
    let many = bench.database("endpoints");
    let add = AddEndpoints {
        store: Store::Sqlite(many.clone()),
        port: bench.port(),
        name: GROWN.to_owned(),
        count,
    };
    in_own_process(&add).await?;
    let old = bench.database("finished");
    std::fs::copy(&many, &old)?;
    seed::write_back(&many)?;
    seed::finished_deliveries(&old, finished)?;
    let size_bytes = Bench::size_bytes(&old);

    let endpoints_name = format!("{} endpoints", rate(count as f64));
    let finished_name = format!(
        "{endpoints_name}, {} finished deliveries",
        rate(finished as f64)
    );
    let mut new = Subject::new("a new database", None, &RATES);
    let mut endpoints = Subject::new(endpoints_name, Some(add.store.clone()), &RATES);
    let mut both = Subject::new(finished_name, Some(Store::Sqlite(old.clone())), &RATES);
    for round in 0..settings.rounds() {
        new.measure(bench, ENDPOINTS, round).await?;
        endpoints.measure(bench, ENDPOINTS, round).await?;
        both.measure(bench, ENDPOINTS, round).await?;
    }
    let step = Sustained {
        store: Store::Sqlite(old.clone()),
        port: bench.port(),
        name: GROWN.to_owned(),
        endpoints: count,
        known: true,
        order: Order::Any,
        ahead: AHEAD,
        // Twice as long: in the first half, every endpoint is seen for the first time.
        time: settings.time() * 2,
    };
    let everywhere: Closed = in_own_process(&step).await?;
    let mut rows = [new.rows(), endpoints.rows(), both.rows()].concat();
    rows.push(vec![
        format!("{}, to all endpoints in turn", both.name),
        "as fast as it goes".to_owned(),
        format!("{}/s", rate(everywhere.per_second)),
        String::new(),
        String::new(),
        String::new(),
    ]);
    let mut checks = [endpoints.checks(&new), both.checks(&new)].concat();
    let wrong = everywhere.lost + everywhere.duplicates;
    checks.push(Check::new(
        "to all endpoints in turn: lost or duplicated",
        "0",
        wrong.to_string(),
        wrong == 0,
    ));
    Ok(Content {
        title: "Growth".to_owned(),
        about: format!(
            "The load of the first and third figure, to {ENDPOINTS} endpoints, on a new database, \
             in one with {} endpoints, and in one that also holds {} finished deliveries of the \
             last 25 days ({}; written by SQL, as the engine leaves them); in turns. The last row \
             sends to every endpoint of that store in turn, each met for the first time, for {} s; \
             its process had {} at most.",
            rate(count as f64),
            rate(finished as f64),
            mib(size_bytes),
            (settings.time() * 2).as_secs(),
            mib(everywhere.peak_bytes),
        ),
        columns: Subject::columns(),
        rows,
        checks,
        further: Vec::new(),
        measured: serde_json::json!({
            "size_bytes": size_bytes,
            "new": new.summary(),
            "endpoints": endpoints.summary(),
            "endpoints_and_finished": both.summary(),
            "to_all_endpoints": everywhere,
            "first_delivery_ms": both.slowest_start().as_secs_f64() * 1e3,
        }),
    })
}

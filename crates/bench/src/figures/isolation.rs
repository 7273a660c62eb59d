//! A healthy endpoint beside one that hangs and one that refuses.

use super::{
    Bench,
    latency::{columns, row, summary},
};
use crate::{
    report::{Check, Content},
    steps::{Companions, LatencyAt, Rounds, in_own_process, refusing_ports},
};

/// Events a second.
const PER_SECOND: u64 = 500;
/// How much longer p99 may be than alone.
const RATIO_MAX: f64 = 1.5;

pub(super) async fn measure(bench: &Bench<'_>) -> anyhow::Result<Content> {
    let refusing_port = refusing_ports(1)?[0];
    let mut alone = Rounds::default();
    let mut beside = Rounds::default();
    for round in 0..bench.settings.rounds() {
        for companions in [Companions::None, Companions::Troubled { refusing_port }] {
            let is_alone = companions == Companions::None;
            let step = LatencyAt {
                database: bench.database(&format!("{is_alone}-{round}")),
                port: bench.port(),
                name: format!("acme-{is_alone}-{round}"),
                companions,
                per_second: PER_SECOND,
                // Beyond the engine's time limit of 15 s, so that hanging requests fail within it.
                time: bench.settings.time() * 2,
            };
            let total = if is_alone { &mut alone } else { &mut beside };
            total.push(in_own_process(&step).await?);
        }
    }
    let ratio = beside.median_p99_ms() / alone.median_p99_ms();
    let wrong = alone.wrong() + beside.wrong();
    Ok(Content {
        title: "Isolation".to_owned(),
        about: format!(
            "A healthy endpoint at {PER_SECOND} events a second, alone and beside two endpoints of \
             the same customer that are owed the same events: one answers after 30 s (the engine \
             gives up after 15 s), one refuses connections. Latency of the healthy one as above, \
             open loop, in turns."
        ),
        columns: columns(),
        rows: vec![
            row("alone", &alone),
            row("beside a hanging and a refusing endpoint", &beside),
        ],
        checks: vec![
            Check::new(
                "the healthy endpoint's p99 (median of the rounds), of that alone",
                format!("≤ {RATIO_MAX}×"),
                format!("{ratio:.2}×"),
                ratio <= RATIO_MAX,
            ),
            Check::new("lost or duplicated", "0", wrong.to_string(), wrong == 0),
        ],
        measured: serde_json::json!({
            "alone": summary(&alone.latencies()),
            "beside": summary(&beside.latencies()),
            "ratio": ratio,
        }),
    })
}

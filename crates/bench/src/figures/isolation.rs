//! A healthy endpoint beside one that hangs and one that refuses.

use super::{
    Bench,
    latency::{percentiles, summary},
};
use crate::{
    report::{Check, Content, rate},
    steps::{Companions, LatencyAt, Measured, in_own_process, refusing_ports},
};

/// Events a second.
const PER_SECOND: u64 = 500;
/// How much longer p99 may be than alone.
const RATIO_MAX: f64 = 1.5;

pub(super) async fn measure(bench: &Bench<'_>) -> anyhow::Result<Content> {
    let refusing_port = refusing_ports(1)?[0];
    let mut alone = Measured::default();
    let mut beside = Measured::default();
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
            let measured = in_own_process(&step).await?;
            *total = std::mem::take(total).join(measured);
        }
    }
    let row = |name: &str, measured: &Measured| {
        let mut row = vec![name.to_owned(), rate(measured.latencies.len() as f64)];
        row.extend(percentiles(&measured.latencies));
        row.extend([measured.lost.to_string(), measured.duplicates.to_string()]);
        row
    };
    let ratio = beside.latencies.percentile_ms(990) / alone.latencies.percentile_ms(990);
    let wrong = alone.lost + alone.duplicates + beside.lost + beside.duplicates;
    Ok(Content {
        title: "Isolation".to_owned(),
        about: format!(
            "A healthy endpoint at {PER_SECOND} events a second, alone and beside two endpoints of \
             the same customer that are owed the same events: one answers after 30 s (the engine \
             gives up after 15 s), one refuses connections. Latency of the healthy one as above, \
             open loop, in turns."
        ),
        columns: ["", "samples", "p50", "p99", "p99.9", "lost", "duplicated"]
            .map(str::to_owned)
            .to_vec(),
        rows: vec![
            row("alone", &alone),
            row("beside a hanging and a refusing endpoint", &beside),
        ],
        checks: vec![
            Check::new(
                "the healthy endpoint's p99, of that alone",
                format!("≤ {RATIO_MAX}×"),
                format!("{ratio:.2}×"),
                ratio <= RATIO_MAX,
            ),
            Check::new("lost or duplicated", "0", wrong.to_string(), wrong == 0),
        ],
        measured: serde_json::json!({
            "alone": summary(&alone.latencies),
            "beside": summary(&beside.latencies),
            "ratio": ratio,
        }),
    })
}

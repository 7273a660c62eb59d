//! A healthy endpoint next to others that are slow or in trouble: two of the same customer, and
//! crowds.

use super::{
    bench::Bench,
    latency::{columns, row, summary},
};
use crate::{
    report::{Check, Content, mib},
    steps::{BesideCrowd, Companions, Crowd, LatencyAt, Rounds, in_own_process, refusing_ports},
};

/// Events a second next to two endpoints, and next to a crowd.
const PER_SECOND: u64 = 500;
const PER_SECOND_BESIDE_CROWD: u64 = 100;
/// The sizes of the crowds.
const CROWDS: [usize; 3] = [20, 200, 2_000];
/// Events to each endpoint of a crowd, and the maximum to all of them: the bound is about waiting
/// for others, not about how much one machine can store.
const EVENTS_EACH: usize = 40;
const EVENTS_MAX: usize = 8_000;
/// How much longer p99 may be than with the endpoint alone.
const RATIO_MAX: f64 = 1.5;

/// What is compared with a healthy endpoint alone.
struct Case {
    name: String,
    rounds: Rounds,
}

impl Case {
    fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            rounds: Rounds::default(),
        }
    }
}

pub(super) async fn measure(bench: &Bench<'_>) -> anyhow::Result<Content> {
    let two = beside_two(bench).await?;
    let crowds = beside_crowds(bench).await?;
    let mut columns = columns();
    columns.push("memory".to_owned());
    let mut rows = Vec::new();
    let mut checks = Vec::new();
    let mut measured = Vec::new();
    for cases in [&two, &crowds] {
        let Some((alone, beside)) = cases.split_first() else {
            continue;
        };
        for case in cases {
            let mut row = row(&case.name, &case.rounds);
            row.push(mib(case.rounds.peak_bytes()));
            rows.push(row);
            measured.push(serde_json::json!({
                "case": case.name,
                "latency": summary(&case.rounds.latencies()),
                "median_p99_ms": case.rounds.median_p99_ms(),
                "peak_bytes": case.rounds.peak_bytes(),
            }));
        }
        for case in beside {
            let ratio = case.rounds.median_p99_ms() / alone.rounds.median_p99_ms();
            checks.push(Check::new(
                format!("{}: p99 (median of the rounds), of that alone", case.name),
                format!("≤ {RATIO_MAX}×"),
                format!("{ratio:.2}×"),
                ratio <= RATIO_MAX,
            ));
        }
        let wrong: u64 = cases.iter().map(|case| case.rounds.wrong()).sum();
        checks.push(Check::new(
            format!("{} and what follows: lost or duplicated", alone.name),
            "0",
            wrong.to_string(),
            wrong == 0,
        ));
    }
    Ok(Content {
        title: "Isolation".to_owned(),
        about: format!(
            "A healthy endpoint at {PER_SECOND} events a second, alone and beside two endpoints of \
             the same customer that are owed the same events: one answers after 30 s (the engine \
             gives up after 15 s), one refuses connections. Then at {PER_SECOND_BESIDE_CROWD} events \
             a second, alone and beside 20, 200 and 2,000 endpoints of as many customers, each sent \
             {EVENTS_EACH} events meanwhile, one at a time ({EVENTS_MAX} together at most): they answer at once, \
             which shows what storing and sending as much costs by itself; or answer 200 after \
             5 s; or have answered at once until now and from now on hang; or refuse; or have a name \
             server that does not answer. Latency of the healthy one as above, open loop, in turns. \
             Lost is also what of a crowd's is neither delivered nor owed at the end."
        ),
        columns,
        rows,
        checks,
        further: Vec::new(),
        measured: serde_json::Value::Array(measured),
    })
}

/// Alone, and next to a hanging and a refusing endpoint of the same customer.
async fn beside_two(bench: &Bench<'_>) -> anyhow::Result<Vec<Case>> {
    let refusing_port = refusing_ports(1)?[0];
    let mut cases = vec![
        Case::new(format!("alone, {PER_SECOND}/s")),
        Case::new("beside a hanging and a refusing endpoint"),
    ];
    let companions = [Companions::None, Companions::Troubled { refusing_port }];
    for round in 0..bench.settings.rounds() {
        for (index, case) in cases.iter_mut().enumerate() {
            let fresh = bench.fresh(&format!("two-{index}-{round}"))?;
            // Beyond the engine's time limit of 15 s, so that hanging requests fail during the
            // measurement.
            let time = bench.settings.time() * 2;
            let step = LatencyAt {
                name: format!("acme-{index}-{round}"),
                companions: companions[index],
                ..LatencyAt::new(fresh.store.clone(), bench.port(), PER_SECOND, time)
            };
            case.rounds.push(in_own_process(&step).await?);
        }
    }
    Ok(cases)
}

/// Alone, and next to crowds.
async fn beside_crowds(bench: &Bench<'_>) -> anyhow::Result<Vec<Case>> {
    let port = refusing_ports(1)?[0];
    let mut cases = vec![(
        None,
        Case::new(format!("alone, {PER_SECOND_BESIDE_CROWD}/s")),
    )];
    for count in CROWDS {
        for (crowd, what) in [
            (Crowd::Healthy, "answer at once"),
            (Crowd::Slow, "answer after 5 s"),
            (Crowd::BeginToHang, "begin to hang"),
            (Crowd::Refuse { port }, "refuse"),
            (Crowd::DeadNames, "have a dead name server"),
        ] {
            let name = format!("beside {count} that {what}");
            cases.push((Some((crowd, count)), Case::new(name)));
        }
    }
    for round in 0..bench.settings.rounds() {
        for (index, (crowd, case)) in cases.iter_mut().enumerate() {
            let count = crowd.map_or(1, |(_, count)| count);
            let step = BesideCrowd {
                database: bench.database(&format!("crowd-{index}-{round}")),
                port: bench.port(),
                name: format!("crowd-{index}-{round}"),
                crowd: *crowd,
                events_each: EVENTS_EACH.min(EVENTS_MAX / count),
                per_second: PER_SECOND_BESIDE_CROWD,
                time: bench.settings.time(),
            };
            case.rounds.push(in_own_process(&step).await?);
        }
    }
    Ok(cases.into_iter().map(|(_, case)| case).collect())
}

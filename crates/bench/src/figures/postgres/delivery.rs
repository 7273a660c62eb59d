//! Store → deliver → record, compared with a loop that only posts, and its cost.

use super::table::Tables;
use crate::{
    figures::{bench::Bench, delivery::Case},
    load::{AHEAD, Order},
    report::{Check, Table},
};

/// The maximum processor time per delivery: in total, and of the server.
const CPU_US_MAX: f64 = 60.0;
const SERVER_CPU_US_MAX: f64 = 28.0;
/// The minimum fraction of the bare loop's rate.
const RATIO_MIN: f64 = 0.4;
const ORDERED_RATIO_MIN: f64 = 0.3;
const OWNED_ELSEWHERE_RATIO_MIN: f64 = 0.25;

/// `other_node`: also measure endpoints that another engine owns.
pub(super) async fn measure(
    bench: &Bench<'_>,
    other_node: bool,
    tables: &mut Tables,
) -> anyhow::Result<()> {
    let mut cases = vec![
        (Case::new("1 endpoint", 1, Order::Any, AHEAD), RATIO_MIN),
        (
            Case::new("10 ordered endpoints", 10, Order::Kept, AHEAD),
            ORDERED_RATIO_MIN,
        ),
    ];
    if other_node {
        let name = "10 ordered endpoints of another node";
        cases.push((
            Case::new(name, 10, Order::Kept, AHEAD).owned_elsewhere(),
            OWNED_ELSEWHERE_RATIO_MIN,
        ));
    }
    for round in 0..bench.settings.rounds() {
        for (index, (case, _)) in cases.iter_mut().enumerate() {
            case.measure(bench, &format!("{index}-{round}")).await?;
        }
    }
    let mut columns = Case::columns();
    columns.push("Postgres CPU µs".to_owned());
    let mut rows = Vec::new();
    for (case, ratio_min) in &cases {
        let (sender, server) = case.cpu_us();
        let mut row = case.row();
        row.push(format!("{server:.1}"));
        rows.push(row);
        tables.checks.extend(case.checks(*ratio_min));
        if case.is_owned_elsewhere() {
            // The measured processor time leaves out that of the other engine.
            continue;
        }
        for (what, us, us_max) in [
            ("processor time a delivery", sender + server, CPU_US_MAX),
            ("of it Postgres", server, SERVER_CPU_US_MAX),
        ] {
            tables.checks.push(Check::new(
                format!("{}: {what}", case.name),
                format!("≤ {us_max} µs"),
                format!("{us:.1} µs"),
                us <= us_max,
            ));
        }
    }
    let cases: Vec<&Case> = cases.iter().map(|(case, _)| case).collect();
    tables.measured("delivery", &cases)?;
    tables.tables.push(Table {
        about: "Deliveries a second of events of 200 bytes that are sent without a pause, beside a bare loop of the \
                same client that signs and posts and stores nothing. Processor time is that of the sender, and of \
                all of the server's processes."
            .to_owned(),
        columns,
        rows,
    });
    Ok(())
}

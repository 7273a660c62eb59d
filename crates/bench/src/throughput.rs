//! Figure 1: events stored, delivered and recorded a second. Figure 2: events stored a second.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use webhooks_core::{NewEndpoint, Webhooks};

use crate::{child::ReceiverProcess, cpu::cpu_seconds, event::event};

/// Events that may be stored and not yet arrived: keeps the measure one of a steady state and
/// not of a growing backlog.
const OUTSTANDING: u64 = 4_000;
/// Callers of `send`.
const CALLERS: usize = 256;

/// What one run of sustained delivery came to.
pub struct Sustained {
    pub per_second: f64,
    pub cpu_us_per_delivery: f64,
    pub lost: u64,
    pub duplicates: u64,
    pub out_of_order: u64,
}

pub async fn engine(file: &Path) -> anyhow::Result<Webhooks> {
    let address = format!("sqlite:{}", file.display());
    Ok(Webhooks::builder()
        .allow_networks(["127.0.0.0/8"])?
        .open(&address)
        .await?)
}

/// Sends for `time` to `endpoints` endpoints of as many customers, in turn.
pub async fn sustained(
    webhooks: &Webhooks,
    receiver: &ReceiverProcess,
    customers: &[String],
    time: Duration,
) -> anyhow::Result<Sustained> {
    receiver.reset().await?;
    let next = Arc::new(AtomicU64::new(0));
    let arrived = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let customers: Arc<[String]> = customers.into();
    let mut callers = tokio::task::JoinSet::new();
    let cpu_before = cpu_seconds()?;
    let started = Instant::now();
    for _ in 0..CALLERS {
        let (webhooks, customers) = (webhooks.clone(), Arc::clone(&customers));
        let (next, arrived, stop) = (Arc::clone(&next), Arc::clone(&arrived), Arc::clone(&stop));
        callers.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                if next.load(Ordering::Relaxed) > arrived.load(Ordering::Relaxed) + OUTSTANDING {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    continue;
                }
                let number = next.fetch_add(1, Ordering::Relaxed);
                let customer = &customers[usize::try_from(number)? % customers.len()];
                // Numbers of one customer are consecutive, so that the receiver's map is dense.
                webhooks
                    .send(customer, event(number / u64::try_from(customers.len())?))
                    .await?;
            }
            anyhow::Ok(())
        });
    }
    while started.elapsed() < time {
        tokio::time::sleep(Duration::from_millis(10)).await;
        arrived.store(receiver.count().await?, Ordering::Relaxed);
    }
    let at_end = receiver.count().await?;
    let elapsed = started.elapsed().as_secs_f64();
    let cpu = cpu_seconds()? - cpu_before;
    stop.store(true, Ordering::Relaxed);
    while let Some(done) = callers.join_next().await {
        done??;
    }
    let sent = next.load(Ordering::Relaxed);
    wait_for(receiver, sent).await?;
    let report = receiver.report().await?;
    #[allow(clippy::cast_precision_loss)]
    Ok(Sustained {
        per_second: at_end as f64 / elapsed,
        cpu_us_per_delivery: cpu * 1e6 / at_end as f64,
        lost: sent - report.distinct,
        duplicates: report.duplicates,
        out_of_order: report.out_of_order,
    })
}

/// Waits until so many requests have arrived, at most a minute.
pub async fn wait_for(receiver: &ReceiverProcess, count: u64) -> anyhow::Result<()> {
    let end = Instant::now() + Duration::from_secs(60);
    while receiver.count().await? < count && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Customers with one endpoint each.
pub async fn add_endpoints(
    webhooks: &Webhooks,
    receiver: &ReceiverProcess,
    prefix: &str,
    count: usize,
    ordered: bool,
) -> anyhow::Result<Vec<String>> {
    let mut customers = Vec::with_capacity(count);
    for index in 0..count {
        let customer = format!("{prefix}{index}");
        webhooks
            .endpoints(&customer)
            .add(NewEndpoint::new(receiver.url(&format!("{prefix}/{index}"))).ordered(ordered))
            .await?;
        customers.push(customer);
    }
    Ok(customers)
}

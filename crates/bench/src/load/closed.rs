//! The closed loop: callers that send as fast as deliveries arrive.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::ensure;
use serde::{Deserialize, Serialize};
use webhooks_core::Webhooks;

use crate::{
    event::event,
    load::Store,
    process::{cpu_time, peak_bytes},
    receiver::now_ns,
    receiver_process::ReceiverClient,
};

/// The maximum number of events that are stored but have not arrived: it keeps the measurement one
/// of a steady state, not of a growing backlog. As many as memory queues for one endpoint.
pub(crate) const AHEAD: u64 = 1_000;
/// The number of callers of `send`, when order does not matter.
const CALLERS: usize = 512;
/// Events per call by the only caller of an ordered endpoint: it cannot call again before it has
/// its answer, so one event per call would measure the disk, not the deliveries.
const ORDERED_BATCH: u64 = 100;
/// How long recording what arrived may take.
const RECORD_LIMIT: Duration = Duration::from_secs(60);

/// Whether events arrive in the order in which they were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Order {
    Any,
    /// One caller per endpoint.
    Kept,
}

/// The result of a closed loop.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Closed {
    /// Events stored, delivered and recorded a second.
    pub(crate) per_second: f64,
    /// Processor time of the process, including callers.
    pub(crate) cpu_us_per_delivery: f64,
    /// Processor time of all processes of the store's server; 0 if there is none.
    pub(crate) server_cpu_us_per_delivery: f64,
    pub(crate) deliveries: u64,
    pub(crate) lost: u64,
    pub(crate) duplicates: u64,
    pub(crate) out_of_order: u64,
    pub(crate) connections: u64,
    /// The most memory that the process used.
    pub(crate) peak_bytes: u64,
}

/// Counters that callers share.
struct Progress {
    next: AtomicU64,
    arrived: AtomicU64,
    ahead: u64,
    stop: AtomicBool,
}

impl Progress {
    fn is_ahead(&self) -> bool {
        self.next.load(Ordering::Relaxed) > self.arrived.load(Ordering::Relaxed) + self.ahead
    }
}

/// The parameters of a closed loop.
pub(crate) struct ClosedLoop<'a> {
    pub(crate) webhooks: &'a Webhooks,
    pub(crate) store: &'a Store,
    pub(crate) receiver: &'a ReceiverClient,
    /// Each has one endpoint.
    pub(crate) customers: Vec<String>,
    pub(crate) order: Order,
    /// How many events may be stored but not yet have arrived.
    pub(crate) ahead: u64,
    pub(crate) time: Duration,
}

impl ClosedLoop<'_> {
    /// Sends to the customers in turn until the time is over, never more than `ahead` events ahead
    /// of what has arrived; then waits until everything has arrived and is recorded.
    pub(crate) async fn run(self) -> anyhow::Result<Closed> {
        let Self {
            webhooks,
            store,
            receiver,
            customers,
            order,
            ahead,
            time,
        } = self;
        receiver.reset().await?;
        let owed_before = webhooks.pending().await?;
        let progress = Arc::new(Progress {
            next: AtomicU64::new(0),
            arrived: AtomicU64::new(0),
            ahead,
            stop: AtomicBool::new(false),
        });
        let cpu_before = cpu_time();
        let server_cpu_before = store.server_cpu_seconds()?;
        let started = Instant::now();
        let mut callers = spawn_callers(webhooks, &progress, customers, order);
        while started.elapsed() < time {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let arrived = receiver.count().await?;
            progress.arrived.store(arrived, Ordering::Relaxed);
        }
        progress.stop.store(true, Ordering::Relaxed);
        while let Some(done) = callers.join_next().await {
            done??;
        }
        let sent = progress.next.load(Ordering::Relaxed);
        receiver.wait_for(sent).await?;
        wait_until_recorded(webhooks, owed_before).await?;
        let elapsed = started.elapsed().as_secs_f64();
        let cpu = (cpu_time() - cpu_before).as_secs_f64();
        let server_cpu = store.server_cpu_seconds()? - server_cpu_before;
        let report = receiver.report().await?;
        Ok(Closed {
            per_second: report.distinct as f64 / elapsed,
            cpu_us_per_delivery: cpu * 1e6 / report.distinct as f64,
            server_cpu_us_per_delivery: server_cpu * 1e6 / report.distinct as f64,
            deliveries: report.distinct,
            lost: sent - report.distinct,
            duplicates: report.duplicates,
            out_of_order: report.out_of_order,
            connections: report.connections,
            peak_bytes: peak_bytes()?,
        })
    }
}

type Callers = tokio::task::JoinSet<anyhow::Result<()>>;

fn spawn_callers(
    webhooks: &Webhooks,
    progress: &Arc<Progress>,
    customers: Vec<String>,
    order: Order,
) -> Callers {
    let mut callers = Callers::new();
    match order {
        Order::Any => {
            let customers: Arc<[String]> = customers.into();
            for _ in 0..CALLERS {
                let (webhooks, progress) = (webhooks.clone(), Arc::clone(progress));
                callers.spawn(call(webhooks, progress, Arc::clone(&customers)));
            }
        }
        Order::Kept => {
            for customer in customers {
                let (webhooks, progress) = (webhooks.clone(), Arc::clone(progress));
                callers.spawn(call_in_order(webhooks, progress, customer));
            }
        }
    }
    callers
}

async fn call(
    webhooks: Webhooks,
    progress: Arc<Progress>,
    customers: Arc<[String]>,
) -> anyhow::Result<()> {
    while !progress.stop.load(Ordering::Relaxed) {
        if progress.is_ahead() {
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        }
        let number = progress.next.fetch_add(1, Ordering::Relaxed);
        let customer = &customers[usize::try_from(number)? % customers.len()];
        // The numbers of one customer are consecutive, so that the receiver's map of them is dense.
        let number = number / u64::try_from(customers.len())?;
        webhooks.send(customer, event(number, now_ns())).await?;
    }
    Ok(())
}

async fn call_in_order(
    webhooks: Webhooks,
    progress: Arc<Progress>,
    customer: String,
) -> anyhow::Result<()> {
    let mut first = 0;
    while !progress.stop.load(Ordering::Relaxed) {
        if progress.is_ahead() {
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        }
        let numbers = first..first + ORDERED_BATCH;
        let events = numbers.map(|number| event(number, now_ns()));
        progress.next.fetch_add(ORDERED_BATCH, Ordering::Relaxed);
        webhooks.send_all(&customer, events).await?;
        first += ORDERED_BATCH;
    }
    Ok(())
}

async fn wait_until_recorded(webhooks: &Webhooks, owed_before: u64) -> anyhow::Result<()> {
    let end = Instant::now() + RECORD_LIMIT;
    while webhooks.pending().await? > owed_before {
        ensure!(
            Instant::now() < end,
            "deliveries that arrived were not recorded within {RECORD_LIMIT:?}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

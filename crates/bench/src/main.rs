//! Measures webhooks-core against the bounds of the machine it runs on; see scripts/bench.
#![allow(clippy::print_stdout)] // The tables are the program's output.
#![allow(clippy::cast_precision_loss)] // Rates and means of counts far below 2^52.

mod child;
mod cpu;
mod event;
mod machine;
mod receiver;
mod throughput;

use std::time::Duration;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    if std::env::args().nth(1).as_deref() == Some("receiver") {
        return receiver::run().await;
    }
    let receiver = child::ReceiverProcess::start()?;
    let folder = tempfile::tempdir_in(std::env::temp_dir())?;
    println!(
        "commits/s {:.0}",
        machine::commit_rate(folder.path(), Duration::from_secs(2))?
    );
    for n in [8, 16, 64] {
        println!(
            "bare {n} {:.0}/s",
            machine::bare_rate(&receiver, n, Duration::from_secs(4)).await?
        );
    }
    for (count, ordered) in [(1, false), (10, false), (10, true)] {
        let webhooks =
            throughput::engine(&folder.path().join(format!("w{count}{ordered}.db"))).await?;
        let customers =
            throughput::add_endpoints(&webhooks, &receiver, "e", count, ordered).await?;
        let s =
            throughput::sustained(&webhooks, &receiver, &customers, Duration::from_secs(6)).await?;
        println!(
            "{count} {ordered} {:.0}/s cpu {:.1}us lost {} dup {} ooo {}",
            s.per_second, s.cpu_us_per_delivery, s.lost, s.duplicates, s.out_of_order
        );
        println!("{:?}", webhooks.shutdown(Duration::from_secs(5)).await);
    }
    Ok(())
}

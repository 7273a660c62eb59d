//! Steps: the parts of a figure that run in their own process.

mod add_endpoints;
mod backlog;
mod bare;
mod beside_crowd;
mod failing;
mod idle;
mod latency;
mod least;
mod owner;
mod soak;
mod storing;
mod sustained;

use std::process::Stdio;

use anyhow::{Context, bail, ensure};
use serde::{Serialize, de::DeserializeOwned};
use tokio::process::Command;

pub(crate) use add_endpoints::AddEndpoints;
pub(crate) use backlog::{BuildBacklog, refusing_ports};
pub(crate) use bare::{Bare, BareLoop};
pub(crate) use beside_crowd::{BesideCrowd, Crowd};
pub(crate) use failing::{Failing, GotThrough};
pub(crate) use idle::{Idle, Idleness};
pub(crate) use latency::{Companions, Cost, LatencyAt, Measured, Rounds};
pub(crate) use least::{Least, LeastAt};
pub(crate) use owner::Owner;
pub(crate) use soak::{Soak, Soaked};
pub(crate) use storing::{Storing, Target};
pub(crate) use sustained::Sustained;

use crate::report;

/// One measurement, which is passed to its process as JSON.
pub(crate) trait Step: Serialize + DeserializeOwned {
    const NAME: &str;
    type Outcome: Serialize + DeserializeOwned;

    /// Runs it in this process.
    async fn run(self) -> anyhow::Result<Self::Outcome>;
}

/// Runs a step in its own process.
pub(crate) async fn in_own_process<S: Step>(step: &S) -> anyhow::Result<S::Outcome> {
    let child = Command::new(std::env::current_exe()?)
        .args(["step", S::NAME, &serde_json::to_string(step)?])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = child.wait_with_output().await?;
    ensure!(
        output.status.success(),
        "step {}: {}",
        S::NAME,
        output.status
    );
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("the output of step {}", S::NAME))
}

/// The process of a step: runs it and prints the result.
pub(crate) async fn run(name: &str, step: &str) -> anyhow::Result<()> {
    match name {
        AddEndpoints::NAME => run_here::<AddEndpoints>(step).await,
        Bare::NAME => run_here::<Bare>(step).await,
        BesideCrowd::NAME => run_here::<BesideCrowd>(step).await,
        BuildBacklog::NAME => run_here::<BuildBacklog>(step).await,
        Failing::NAME => run_here::<Failing>(step).await,
        Idle::NAME => run_here::<Idle>(step).await,
        LeastAt::NAME => run_here::<LeastAt>(step).await,
        LatencyAt::NAME => run_here::<LatencyAt>(step).await,
        Owner::NAME => run_here::<Owner>(step).await,
        Soak::NAME => run_here::<Soak>(step).await,
        Storing::NAME => run_here::<Storing>(step).await,
        Sustained::NAME => run_here::<Sustained>(step).await,
        _ => bail!("there is no step {name:?}"),
    }
}

async fn run_here<S: Step>(step: &str) -> anyhow::Result<()> {
    let step: S = serde_json::from_str(step).context("the step's settings")?;
    report::print(&serde_json::to_string(&step.run().await?)?);
    Ok(())
}

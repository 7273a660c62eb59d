//! The end of a run: nothing more is sent, and every pending delivery must arrive.

use std::time::Duration;

use anyhow::bail;
use tokio::time::Instant;

use super::{
    database::{Left, Nodes},
    fault::Fence,
    node,
    run::{LOOK_WAIT, Run},
};

/// After the last fault, all callers must have their answers within this time.
const QUIET_LIMIT: Duration = Duration::from_secs(120);
/// After that, something of what is left must be delivered within this time, during which leases
/// end. All of it can take much longer: one receiver that takes a few hundred requests a second may
/// have tens of thousands pending.
const STILL_LIMIT: Duration = Duration::from_secs(120);
/// Two leases are enough to know what nobody comes back to.
const STILL_LIMIT_UNFENCED: Duration = Duration::from_secs(25);
/// Nodes that were told to stop must have ended within this time.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// Duplicates may come later than everything else.
const LATE_WAIT: Duration = Duration::from_secs(1);

impl Run {
    /// Ends the faults that last, stops all sending, and waits until everything is delivered and
    /// nothing is left of it but lanes that endpoints keep. Returns what is left.
    pub(super) async fn drain(&mut self) -> anyhow::Result<Left> {
        self.is_ending = true;
        for (at, _) in &mut self.heals {
            *at = Instant::now();
        }
        for node in &mut self.nodes {
            node.process.tell(node::QUIET).await?;
        }
        self.note(format_args!("the last fault was made"));
        loop {
            let left = self.delivered().await?;
            if !left.is_nothing() {
                return Ok(left);
            }
            if self.stopped().await? {
                return self.database.left(Nodes::Ended).await;
            }
        }
    }

    /// Waits until nothing more is sent, and everything is delivered or it goes no further.
    async fn delivered(&mut self) -> anyhow::Result<Left> {
        let limit = Instant::now() + QUIET_LIMIT;
        while !self.nodes.iter().all(|node| node.is_quiet) {
            if Instant::now() > limit {
                bail!("a caller got no answer within {QUIET_LIMIT:?} after the last fault");
            }
            self.wait_until(Instant::now() + LOOK_WAIT).await?;
        }
        self.note(format_args!("nothing more is sent"));
        let still_limit = match self.settings.fence {
            Fence::Kept => STILL_LIMIT,
            Fence::Removed => STILL_LIMIT_UNFENCED,
        };
        let mut left = self.database.left(Nodes::Running).await?;
        let (mut fewest, mut limit) = (left.count(), Instant::now() + still_limit);
        while !left.is_nothing() && Instant::now() < limit {
            self.wait_until(Instant::now() + LOOK_WAIT).await?;
            left = self.database.left(Nodes::Running).await?;
            if left.count() < fewest {
                (fewest, limit) = (left.count(), Instant::now() + still_limit);
            }
        }
        self.wait_until(Instant::now() + LATE_WAIT).await?;
        if !left.is_nothing() {
            let mut owed: Vec<_> = self.database.owed().await?.into_iter().collect();
            owed.sort_unstable();
            for mark in owed {
                let left = self.ledger.describe(mark, self.began);
                self.note(format_args!("left: {left}"));
            }
        }
        Ok(left)
    }

    /// Stops all nodes. False if one was killed at the place at which it was to be, which only its end reached: another
    /// process has taken its place.
    async fn stopped(&mut self) -> anyhow::Result<bool> {
        for node in &mut self.nodes {
            node.process.tell(node::STOP).await?;
            node.is_stopping = true;
        }
        let limit = Instant::now() + STOP_LIMIT;
        while self.nodes.iter().any(|node| node.is_stopping) {
            if Instant::now() > limit {
                bail!("a node did not end within {STOP_LIMIT:?}");
            }
            self.wait_until(Instant::now() + LOOK_WAIT).await?;
        }
        Ok(self.nodes.is_empty())
    }
}

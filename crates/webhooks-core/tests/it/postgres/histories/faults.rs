//! What happens to nodes, and to what they store.

use std::time::Duration;

use rand::{RngExt, seq::IndexedRandom};
use tokio::time::Instant;

use super::{
    super::scissors::Cut,
    History,
    member::{LEASE, SCHEMA},
};
use crate::world::{
    fault::{Fault, Meeting},
    seconds,
};

/// Statements of one batch, about.
const STATEMENTS: usize = 16;
const LOOK_WAIT: Duration = Duration::from_millis(20);

impl History {
    pub(super) async fn disturb(&mut self) {
        let at = self.random.random_range(0..self.members.len());
        let cut = *[Cut::Before, Cut::After].choose(&mut self.random).unwrap();
        let disturbance = self.begin_disturbance();
        self.members[at].disturbances.push(disturbance);
        match self.random.random_range(0..22) {
            0..6 => {
                self.story.push(format!("{at} is cut {cut:?} its commit"));
                self.members[at].scissors.cut_at("commit", cut);
            }
            6..10 => {
                let passing = self.random.random_range(0..STATEMENTS);
                self.story
                    .push(format!("{at} is cut {cut:?} its statement {passing}"));
                self.members[at].scissors.cut_behind(passing, cut);
            }
            10..14 if self.members[at].is_cut => {
                self.story.push(format!("{at} reaches the database"));
                self.members[at].mend();
            }
            10..14 => {
                self.story.push(format!("{at} is cut off"));
                self.members[at].cut_off();
            }
            14..16 => {
                self.story.push(format!("{at} is killed"));
                self.members[at].cut_off();
                self.members.remove(at);
                self.open().await;
            }
            16..19 => {
                let grace = *[0, 5].choose(&mut self.random).unwrap();
                self.story
                    .push(format!("{at} ends, with a grace of {grace} s"));
                let ended = self.members.remove(at);
                ended.webhooks.shutdown(seconds(grace)).await;
                self.open().await;
            }
            _ if self.fault.is_some() => self.mend_fault().await,
            _ => {
                // A row of the outbox table whose event is refused for what it is would wait for a person.
                let faults = [
                    ("event", Meeting::LacksResources),
                    ("attempt", Meeting::Aborts),
                ];
                let (table, meeting) = *faults.choose(&mut self.random).unwrap();
                self.story.push(format!("{table} refuses"));
                // To say so to Postgres waits for them.
                self.end_transactions().await;
                let address = format!("{}?schema={SCHEMA}", self.database.url());
                self.fault = Some(Fault::plant(&address, table, meeting).await);
            }
        }
    }

    pub(super) async fn mend_fault(&mut self) {
        if let Some(fault) = self.fault.take() {
            self.end_transactions().await;
            self.story.push("no table refuses".to_owned());
            fault.mend().await;
        }
    }

    /// Waits until those are declared dead that are cut off, if there is anybody to do so.
    pub(super) async fn wait_for_reaper(&mut self) {
        let well = self.members.iter().filter(|member| !member.is_cut).count();
        if well == 0 {
            return;
        }
        self.story.push("the dead are declared so".to_owned());
        // Who does has to have lived for a lease.
        let until = Instant::now() + 3 * LEASE;
        let alive = format!("select count(*) from {SCHEMA}.node where alive");
        while Instant::now() < until {
            let alive: usize = self.database.query(&alive).unwrap().trim().parse().unwrap();
            if alive <= well {
                return;
            }
            tokio::time::sleep(LOOK_WAIT).await;
        }
    }
}

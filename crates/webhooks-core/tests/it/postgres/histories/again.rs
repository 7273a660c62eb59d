//! What may come twice: what was owed while something happened to a node, once more for each time.

use std::collections::{HashMap, HashSet};

use super::{History, member::SCHEMA};

/// Which events may come once more, and for which disturbances.
#[derive(Default)]
pub(super) struct MayComeAgain {
    for_disturbances: HashMap<String, HashSet<usize>>,
    /// Owed when it was last looked.
    owed: HashSet<String>,
    /// Sent since then.
    pub(super) sent: HashSet<String>,
    /// Disturbances that began since then.
    pub(super) began: Vec<usize>,
    /// Nodes that had been declared dead by then, and had gone on as others.
    joined_anew: usize,
}

impl MayComeAgain {
    /// How often an event may come again.
    pub(super) fn times(&self, event: &str) -> usize {
        self.for_disturbances.get(event).map_or(0, HashSet::len)
    }
}

impl History {
    /// Notes what is in anybody's hands while something happens to a node: what is owed, was owed before the last
    /// step, or was sent in it.
    pub(super) fn note_in_flight(&mut self) {
        let owed = format!(
            "select distinct e.id from {SCHEMA}.delivery d
             join {SCHEMA}.event e on e.seq = d.event_seq and e.day = d.event_day"
        );
        let owed = tokio::task::block_in_place(|| self.database.query(&owed));
        let owed: HashSet<String> = owed
            .unwrap()
            .lines()
            .map(|id| id.trim().to_owned())
            .collect();
        let joined_anew = self.joined_anew();
        for _ in self.again.joined_anew..joined_anew {
            self.begin_disturbance();
        }
        self.again.joined_anew = joined_anew;
        let mut lasting = std::mem::take(&mut self.again.began);
        for member in &mut self.members {
            lasting.extend(member.disturbances.iter().copied());
            if !member.is_cut && !member.scissors.is_waiting() {
                member.disturbances.clear();
            }
        }
        let again = &mut self.again;
        let before = std::mem::replace(&mut again.owed, owed);
        let sent = std::mem::take(&mut again.sent);
        for event in before.iter().chain(&again.owed).chain(&sent) {
            if !lasting.is_empty() {
                let disturbances = again.for_disturbances.entry(event.clone()).or_default();
                disturbances.extend(&lasting);
            }
        }
    }

    /// Something happens that may have requests made again.
    pub(super) fn begin_disturbance(&mut self) -> usize {
        self.disturbances += 1;
        self.again.began.push(self.disturbances);
        self.disturbances
    }
}

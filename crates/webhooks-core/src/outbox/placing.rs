//! How a delivery gets into memory: it is placed, expected until its commit, then accepted.

use crate::{endpoint::EndpointState, model::delivery::ClaimedDelivery};

use super::{GivenBack, Lane, Moment, Outbox, State, Steps};

/// The maximum number of deliveries of one endpoint that wait in memory; the rest wait in its lane.
const QUEUE_MAX: usize = 1_024;
/// The maximum number of bytes of bodies of one endpoint that wait in memory.
const QUEUE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Where a new delivery goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Nowhere: the endpoint is disabled.
    Refuse,
    /// To memory, claimed. `lane`: whether the row is marked as one of the lane's nevertheless. `retreats`: the
    /// number of retreats so far.
    Memory { lane: bool, retreats: u64 },
    /// To the lane; `wake`: whether it must be woken, because nothing in memory would return to it.
    Lane { wake: bool },
}

impl Outbox {
    /// Decides where a new delivery goes, and counts it if that is memory.
    pub(crate) fn place(&self, bytes: usize) -> Placement {
        let endpoint = self.endpoint();
        let mut state = self.state.lock();
        match endpoint.state {
            EndpointState::Disabled { .. } => return Placement::Refuse,
            EndpointState::Paused => {
                state.has_lane();
                return Placement::Lane { wake: false };
            }
            EndpointState::Active => {}
        }
        if self.is_full(&state) || endpoint.keeps_lane {
            state.has_lane();
        }
        if state.lane != Lane::None {
            let idle = state.queue.rows.is_empty()
                && state.queue.expected == 0
                && state.workers.count == 0;
            return Placement::Lane {
                wake: idle && !state.refilling && state.lane == Lane::Flowing,
            };
        }
        self.count_in(&mut state, bytes);
        Placement::Memory {
            lane: endpoint.ordered,
            retreats: state.retreats,
        }
    }

    /// Whether the next delivery goes to the lane, unless something changes first.
    #[cfg(feature = "postgres")]
    pub(crate) fn adds_to_lane(&self) -> bool {
        let endpoint = self.endpoint();
        let state = self.state.lock();
        match endpoint.state {
            EndpointState::Disabled { .. } => false,
            EndpointState::Paused => true,
            EndpointState::Active => {
                endpoint.keeps_lane || state.lane != Lane::None || self.is_full(&state)
            }
        }
    }

    fn is_full(&self, state: &State) -> bool {
        state.queue.rows.len() + state.queue.expected >= QUEUE_MAX
            || state.queue.bytes >= QUEUE_BYTES_MAX
            || self.memory.is_full()
    }

    /// Counts a row that a refill hands over.
    pub(crate) fn expect(&self, bytes: usize) {
        self.count_in(&mut self.state.lock(), bytes);
    }

    fn count_in(&self, state: &mut State, bytes: usize) {
        state.queue.expected += 1;
        state.queue.bytes += bytes;
        self.memory.add_bytes(bytes);
        self.memory.hold();
    }

    /// Undoes the counting of [`Outbox::place`] or [`Outbox::expect`].
    pub(crate) fn forget_expected(&self, row: &ClaimedDelivery) {
        let mut state = self.state.lock();
        state.queue.expected -= 1;
        self.count_out(&mut state, row);
        drop(state);
        self.memory.released(1);
    }

    /// Accepts a delivery that is stored and claimed. `retreats` is the count from when it was placed or loaded.
    ///
    /// # Errors
    /// It may no longer go out from memory, and returns to the lane.
    pub(crate) fn accept(
        &self,
        row: ClaimedDelivery,
        retreats: u64,
        moment: Moment,
    ) -> Result<Steps, GivenBack> {
        let endpoint = self.endpoint();
        let mut state = self.state.lock();
        state.queue.expected -= 1;
        let refused = retreats != state.retreats
            || endpoint.state != EndpointState::Active
            || moment.is_stopping;
        if refused {
            self.count_out(&mut state, &row);
            return Err(state.give_back(row, endpoint.due_in_lane(moment.now)));
        }
        state.queue.rows.push_back(row);
        let starts = usize::from(state.counts_in_worker());
        let waits = state.workers.waits.is_some();
        drop(state);
        if waits {
            // It waits with the others: those who wait for everything to be done check again.
            self.memory.idle.notify_waiters();
        }
        Ok(Steps {
            starts,
            refill: false,
        })
    }
}

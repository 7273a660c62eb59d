//! Who holds places and who waits: the state behind the lock of [`Places`](super::Places). `P` is the type that a
//! grant carries.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use tokio::sync::oneshot;

use super::{
    occupant::Occupant,
    share::{Answer, PLACE_LIMIT_MS, Shares},
    turns::Turns,
};

/// How recent an answer must be to take the first place of the reserve, in milliseconds. The limit falls with the
/// square of the number of free places: by the time when many endpoints that have begun to hang could take the
/// last ones, none of them has answered recently enough.
const PROOF_AGE_MAX_MS: i64 = 1_000;

/// The part of the slow share, as a divisor, that is lent to overdue requests: endpoints that begin to hang have
/// several requests in flight each before the first is overdue.
const LENT_PART: usize = 2;

/// The account under which a place is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Account {
    Fast,
    /// Taken from the fast share, and overdue.
    Overdue,
    Slow,
    Probe,
}

/// New holders, and the waiters to hand their places to once the lock is released.
pub(crate) type Grants<P> = Vec<(oneshot::Sender<P>, usize)>;

struct Holder {
    occupant: Arc<Occupant>,
    account: Account,
    since: i64,
    /// Its number among all holders that there ever were.
    number: u64,
}

struct Waiter<P> {
    occupant: Arc<Occupant>,
    granted: oneshot::Sender<P>,
    /// The age of its endpoint's proof when it began to wait.
    proof_age_ms: Option<i64>,
}

pub(crate) struct State<P> {
    shares: Shares,
    fast: usize,
    overdue: usize,
    slow: usize,
    probes: usize,
    holders: Vec<Option<Holder>>,
    free: Vec<usize>,
    /// Holders of the fast share, ordered by age, with their numbers; those that are done are skipped.
    by_age: VecDeque<(usize, u64)>,
    waiters: HashMap<u64, Waiter<P>>,
    fast_turns: Turns,
    slow_turns: Turns,
    probe_turns: Turns,
    /// The waiters for the fast share that have a proof, by its age.
    proven: BTreeSet<(i64, u64)>,
    /// The number of holders and waiters so far.
    counter: u64,
    /// The latest time that any caller passed.
    now: i64,
}

impl<P> State<P> {
    pub(crate) fn new(shares: Shares) -> Self {
        Self {
            shares,
            fast: 0,
            overdue: 0,
            slow: 0,
            probes: 0,
            holders: Vec::new(),
            free: Vec::new(),
            by_age: VecDeque::new(),
            waiters: HashMap::new(),
            fast_turns: Turns::default(),
            slow_turns: Turns::default(),
            probe_turns: Turns::default(),
            proven: BTreeSet::new(),
            counter: 0,
            now: i64::MIN,
        }
    }

    /// Whether an endpoint that asks now gets its place immediately.
    pub(crate) fn goes_at_once(&self, occupant: &Occupant, account: Account) -> bool {
        match account {
            Account::Probe => self.probe_turns.is_empty() && self.free_probes() > 0,
            Account::Slow => self.slow_turns.is_empty() && self.slow_room() > 0,
            Account::Fast | Account::Overdue => {
                self.fast_turns.is_empty() && self.open_room() > 0
                    || occupant
                        .proof_age_ms(self.now)
                        .is_some_and(|age| self.reserve_is_for(age))
            }
        }
    }

    /// Takes a free place.
    pub(crate) fn hold(&mut self, occupant: &Arc<Occupant>, account: Account) -> usize {
        *self.counted(account) += 1;
        self.counter += 1;
        let number = self.counter;
        let held = Some(Holder {
            occupant: Arc::clone(occupant),
            account,
            since: self.now,
            number,
        });
        let holder = match self.free.pop() {
            Some(holder) => {
                self.holders[holder] = held;
                holder
            }
            None => {
                self.holders.push(held);
                self.holders.len() - 1
            }
        };
        if account == Account::Fast {
            self.forget_done();
            self.by_age.push_back((holder, number));
        }
        holder
    }

    /// Waits for a place.
    pub(crate) fn wait(
        &mut self,
        occupant: &Arc<Occupant>,
        account: Account,
    ) -> oneshot::Receiver<P> {
        self.counter += 1;
        let number = self.counter;
        let (granted, grant) = oneshot::channel();
        let proof_age_ms = occupant.proof_age_ms(self.now);
        match (account, proof_age_ms) {
            (Account::Probe, _) => self.probe_turns.push(occupant.customer(), number),
            (Account::Slow, _) => self.slow_turns.push(occupant.customer(), number),
            (Account::Fast | Account::Overdue, age) => {
                self.fast_turns.push(occupant.customer(), number);
                self.proven.extend(age.map(|age| (age, number)));
            }
        }
        let waiter = Waiter {
            occupant: Arc::clone(occupant),
            granted,
            proof_age_ms,
        };
        self.waiters.insert(number, waiter);
        grant
    }

    /// Gives free places to the endpoints whose turn it is.
    pub(crate) fn grants(&mut self) -> Grants<P> {
        let mut grants = Grants::new();
        while let Some((waiter, account)) = self.next_in_turn() {
            let holder = self.hold(&waiter.occupant, account);
            grants.push((waiter.granted, holder));
        }
        grants
    }

    /// Advances the time. True if requests became overdue, which makes room for others.
    pub(crate) fn pass_time(&mut self, now: i64) -> bool {
        self.now = self.now.max(now);
        let before = self.overdue;
        loop {
            self.forget_done();
            let Some((holder, _)) = self.by_age.front() else {
                break;
            };
            let Some(held) = &mut self.holders[*holder] else {
                break;
            };
            if held.since + PLACE_LIMIT_MS > self.now {
                break;
            }
            held.account = Account::Overdue;
            held.occupant.became_overdue(self.now);
            self.by_age.pop_front();
            self.fast -= 1;
            self.overdue += 1;
        }
        self.overdue > before
    }

    pub(crate) fn note_answer(&mut self, holder: usize, answer: Answer) {
        if let Some(held) = &self.holders[holder] {
            held.occupant.took(self.now, self.now - held.since, answer);
        }
    }

    pub(crate) fn let_go(&mut self, holder: usize) {
        let Some(held) = self.holders[holder].take() else {
            return;
        };
        if held.account == Account::Overdue {
            held.occupant.no_longer_overdue();
        }
        *self.counted(held.account) -= 1;
        self.free.push(holder);
    }

    pub(crate) fn free_probes(&self) -> usize {
        self.shares.probes.saturating_sub(self.probes)
    }

    /// When the next request becomes overdue, while somebody waits for the fast share.
    pub(crate) fn next_overdue(&mut self) -> Option<i64> {
        if self.fast_turns.is_empty() {
            return None;
        }
        self.forget_done();
        let (holder, _) = self.by_age.front()?;
        let held = self.holders[*holder].as_ref()?;
        Some(held.since + PLACE_LIMIT_MS)
    }

    fn counted(&mut self, account: Account) -> &mut usize {
        match account {
            Account::Fast => &mut self.fast,
            Account::Overdue => &mut self.overdue,
            Account::Slow => &mut self.slow,
            Account::Probe => &mut self.probes,
        }
    }

    /// The number of requests that may be overdue before they reduce the places of the fast share.
    fn overdue_max(&self) -> usize {
        let Shares { overdue, slow, .. } = self.shares;
        overdue + (slow / LENT_PART).min(slow.saturating_sub(self.slow))
    }

    /// Places of the slow share that are free and not lent out.
    fn slow_room(&self) -> usize {
        let Shares { overdue, slow, .. } = self.shares;
        let lent = self.overdue.saturating_sub(overdue).min(slow / LENT_PART);
        slow.saturating_sub(self.slow + lent)
    }

    /// Free places of the fast share for endpoints that are not known to be slow.
    fn open_room(&self) -> usize {
        let open = self.shares.open;
        let fast = open.saturating_sub(self.fast);
        fast.min((open + self.overdue_max()).saturating_sub(self.fast + self.overdue))
    }

    /// Whether a place of the reserve may go to an endpoint whose proof has this age.
    fn reserve_is_for(&self, age_ms: i64) -> bool {
        let Shares { open, reserve, .. } = self.shares;
        let fast = (open + reserve).saturating_sub(self.fast);
        let all = (open + reserve + self.overdue_max()).saturating_sub(self.fast + self.overdue);
        let count = |places: usize| i64::try_from(places).unwrap_or(i64::MAX);
        let (left, reserve) = (count(fast.min(all).min(reserve)), count(reserve));
        left > 0 && age_ms.saturating_mul(reserve * reserve) <= PROOF_AGE_MAX_MS * left * left
    }

    /// Drops entries that are done from the front of the age order, and from all of it once most of them are done.
    fn forget_done(&mut self) {
        let holders = &self.holders;
        let is_held = |(holder, number): &(usize, u64)| {
            let held = holders[*holder].as_ref();
            held.is_some_and(|held| held.number == *number)
        };
        while self.by_age.front().is_some_and(|front| !is_held(front)) {
            self.by_age.pop_front();
        }
        if self.by_age.len() > 2 * holders.len() + 64 {
            self.by_age.retain(is_held);
        }
    }

    /// The next waiter that can go, and the account of its place.
    fn next_in_turn(&mut self) -> Option<(Waiter<P>, Account)> {
        while self.free_probes() > 0
            && let Some(number) = self.probe_turns.pop()
        {
            if let Some(waiter) = self.still_waits(number) {
                return Some((waiter, Account::Probe));
            }
        }
        if let Some(waiter) = self.next_fast() {
            return Some((waiter, Account::Fast));
        }
        // After the fast share, because a waiter there may have turned out to be slow.
        while self.slow_room() > 0
            && let Some(number) = self.slow_turns.pop()
        {
            if let Some(waiter) = self.still_waits(number) {
                return Some((waiter, Account::Slow));
            }
        }
        None
    }

    fn next_fast(&mut self) -> Option<Waiter<P>> {
        loop {
            let is_open = self.open_room() > 0;
            let number = if is_open {
                self.fast_turns.pop()?
            } else {
                let (age_ms, number) = *self.proven.first()?;
                if !self.reserve_is_for(age_ms) {
                    return None;
                }
                self.proven.pop_first();
                number
            };
            let Some(waiter) = self.waiters.remove(&number) else {
                continue;
            };
            match waiter.proof_age_ms {
                Some(age_ms) if is_open => drop(self.proven.remove(&(age_ms, number))),
                _ if is_open => {}
                _ => self.fast_turns.remove(waiter.occupant.customer(), number),
            }
            if waiter.granted.is_closed() {
                continue;
            }
            if waiter.occupant.is_slow() {
                self.slow_turns.push(waiter.occupant.customer(), number);
                self.waiters.insert(number, waiter);
                continue;
            }
            return Some(waiter);
        }
    }

    /// `None` if it was called off.
    fn still_waits(&mut self, number: u64) -> Option<Waiter<P>> {
        let waiter = self.waiters.remove(&number)?;
        (!waiter.granted.is_closed()).then_some(waiter)
    }
}

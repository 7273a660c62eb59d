//! The lookups of names for the engine. Answers are kept for as long as they allow. There is at most one lookup of
//! a name at a time, and so few in total that they need few sockets; customers take turns. A lookup that takes
//! long gives way to those that wait, and all names that got no answer before share one turn, so that no number of
//! dead name servers holds up anybody else.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};

use super::{
    known_names::KnownNames,
    lookup::{LookupError, Resolve, Resolved},
    policy::AddressPolicy,
    refusal::AddressRefusal,
};

/// How long a lookup keeps its place while others wait: most answers, even from far away, take less time.
const GIVE_WAY_AFTER: Duration = Duration::from_millis(250);

/// The longest time for which an answer is kept, whatever it says itself.
const KEEP_MAX: Duration = Duration::from_secs(24 * 3600);
/// Takes the place of a customer in the turns for names that nobody answered for: no customer has this id.
const SILENT: &str = "";

/// Why a name cannot be dialled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameError {
    /// It resolves to an address that is forbidden.
    #[error(transparent)]
    Refused(#[from] AddressRefusal),
    /// It has no address.
    #[error(transparent)]
    Lookup(#[from] LookupError),
}

/// The limits on lookups.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LookupLimits {
    /// Lookups at once; each has one or two sockets open.
    pub(crate) lookups: usize,
    /// The time one lookup may take.
    pub(crate) time: Duration,
}

/// Looks names up and checks the addresses against an [`AddressPolicy`].
pub(crate) struct Names {
    policy: AddressPolicy,
    resolver: Arc<dyn Resolve>,
    limits: LookupLimits,
    state: Mutex<State>,
}

type Answer = Result<Arc<[IpAddr]>, LookupError>;

#[derive(Default)]
struct State {
    known: KnownNames,
    /// Lookups that wait or run.
    lookups: HashMap<Arc<str>, Lookup>,
    /// Lookups that run, oldest first.
    running: VecDeque<Running>,
    /// Names that wait, by customer.
    queues: HashMap<Arc<str>, VecDeque<Arc<str>>>,
    /// The customers with waiting names; the first is next.
    turns: VecDeque<Arc<str>>,
}

struct Lookup {
    answer: watch::Sender<Option<Answer>>,
    runs: bool,
}

struct Running {
    name: Arc<str>,
    since: Instant,
    /// Dropped to make the lookup give way.
    _keep: oneshot::Sender<()>,
}

impl Names {
    pub(crate) fn new(
        policy: AddressPolicy,
        resolver: Arc<dyn Resolve>,
        limits: LookupLimits,
    ) -> Self {
        Self {
            policy,
            resolver,
            limits,
            state: Mutex::default(),
        }
    }

    pub(crate) fn policy(&self) -> &AddressPolicy {
        &self.policy
    }

    /// The addresses of `name`, all of them checked: only these may be dialled.
    pub(crate) async fn addresses(
        self: &Arc<Self>,
        customer: &Arc<str>,
        name: &str,
    ) -> Result<Arc<[IpAddr]>, NameError> {
        let addresses = self.lookup(customer, name).await?;
        for address in addresses.iter() {
            self.policy
                .judge_ip(*address)
                .map_err(|refusal| refusal.of_name(name))?;
        }
        if addresses.is_empty() {
            return Err(LookupError::NoAddress(name.to_owned()).into());
        }
        Ok(addresses)
    }

    async fn lookup(self: &Arc<Self>, customer: &Arc<str>, name: &str) -> Answer {
        if let Some(addresses) = self.state.lock().known.addresses(name, Instant::now()) {
            return Ok(addresses);
        }
        let mut answer = self.ask(customer, name);
        loop {
            // Waiters check from time to time whether an old lookup can give way.
            match tokio::time::timeout(GIVE_WAY_AFTER, answer.wait_for(Option::is_some)).await {
                Ok(Ok(found)) => {
                    if let Some(answer) = found.as_ref() {
                        return answer.clone();
                    }
                }
                Ok(Err(_)) => {
                    return Err(LookupError::Unavailable(
                        "the lookup was aborted".to_owned(),
                    ));
                }
                Err(_) => self.start_next(),
            }
        }
    }

    /// Joins the lookup of this name, or queues a new one.
    fn ask(self: &Arc<Self>, customer: &Arc<str>, name: &str) -> watch::Receiver<Option<Answer>> {
        let mut state = self.state.lock();
        let (name, lookup) = match state.lookups.get_key_value(name) {
            Some((name, lookup)) => (Arc::clone(name), lookup),
            None => {
                let name: Arc<str> = name.into();
                let answer = watch::channel(None).0;
                let lookup = Lookup {
                    answer,
                    runs: false,
                };
                let lookup = state.lookups.entry(Arc::clone(&name)).or_insert(lookup);
                (name, &*lookup)
            }
        };
        let answer = lookup.answer.subscribe();
        if !lookup.runs {
            // Even if it is already waiting: this customer's turn may come first.
            state.queue(customer, name);
        }
        drop(state);
        self.start_next();
        answer
    }

    /// Starts lookups as long as there are free places.
    fn start_next(self: &Arc<Self>) {
        let mut state = self.state.lock();
        while state.has_place(self.limits.lookups) {
            let Some(name) = state.next() else { return };
            let (keep, gives_way) = oneshot::channel();
            state.running.push_back(Running {
                name: Arc::clone(&name),
                since: Instant::now(),
                _keep: keep,
            });
            let names = Arc::clone(self);
            tokio::spawn(async move {
                let found = names.resolve(&name, gives_way).await;
                names.answered(&name, found);
            });
        }
    }

    async fn resolve(
        &self,
        name: &str,
        gives_way: oneshot::Receiver<()>,
    ) -> Result<Resolved, LookupError> {
        let limited = tokio::time::timeout(self.limits.time, self.resolver.resolve(name));
        let reason = tokio::select! {
            answer = limited => match answer {
                Ok(Ok(resolved)) => return Ok(resolved),
                Ok(Err(LookupError::Unanswered { reason, .. })) => reason,
                Ok(Err(error)) => return Err(error),
                Err(_) => format!("none came within {} s", self.limits.time.as_secs_f64()),
            },
            _ = gives_way => "other names were waiting".to_owned(),
        };
        // Only this name, or all names?
        let available = tokio::time::timeout(self.limits.time, self.resolver.is_available());
        if available.await.unwrap_or(false) {
            let name = name.to_owned();
            Err(LookupError::Unanswered { name, reason })
        } else {
            Err(LookupError::Unavailable(reason))
        }
    }

    fn answered(self: &Arc<Self>, name: &Arc<str>, found: Result<Resolved, LookupError>) {
        let mut state = self.state.lock();
        let now = Instant::now();
        let answer = match found {
            Ok(Resolved { addresses, keep }) => {
                let addresses = addresses.into();
                state
                    .known
                    .keep(name, &addresses, (now, keep.min(KEEP_MAX)));
                Ok(addresses)
            }
            Err(error) => {
                if matches!(error, LookupError::Unanswered { .. }) {
                    state.known.note_silence(name, now);
                }
                Err(error)
            }
        };
        state.running.retain(|running| running.name != *name);
        if let Some(lookup) = state.lookups.remove(name) {
            lookup.answer.send_replace(Some(answer));
        }
        drop(state);
        self.start_next();
    }
}

impl State {
    fn queue(&mut self, customer: &Arc<str>, name: Arc<str>) {
        let silent: Arc<str>;
        let customer = if self.known.is_silent(&name) {
            silent = SILENT.into();
            &silent
        } else {
            customer
        };
        let queue = match self.queues.get_mut(customer) {
            Some(queue) => queue,
            None => {
                self.turns.push_back(Arc::clone(customer));
                self.queues.entry(Arc::clone(customer)).or_default()
            }
        };
        queue.push_back(name);
    }

    /// Whether another lookup may run; makes room if the oldest has had its time. A lookup that gave way no longer
    /// has a socket open.
    fn has_place(&mut self, lookups: usize) -> bool {
        if self.running.len() >= lookups
            && !self.turns.is_empty()
            && self
                .running
                .front()
                .is_some_and(|oldest| oldest.since.elapsed() >= GIVE_WAY_AFTER)
        {
            self.running.pop_front();
        }
        self.running.len() < lookups
    }

    /// Marks the next name of the customer whose turn it is as running, and returns it. Names that are already
    /// running, or that nobody waits for any more, are skipped.
    fn next(&mut self) -> Option<Arc<str>> {
        while let Some(customer) = self.turns.pop_front() {
            let queue = self.queues.get_mut(&customer)?;
            let name = queue.pop_front();
            if queue.is_empty() {
                self.queues.remove(&customer);
            } else {
                self.turns.push_back(customer);
            }
            let Some(name) = name else { continue };
            match self.lookups.get_mut(&name) {
                Some(lookup) if lookup.runs => {}
                Some(lookup) if lookup.answer.receiver_count() == 0 => {
                    self.lookups.remove(&name);
                }
                Some(lookup) => {
                    lookup.runs = true;
                    return Some(name);
                }
                None => {}
            }
        }
        None
    }
}

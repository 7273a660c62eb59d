//! A listener for Rust tests: it captures what the code under test sends.

use std::{sync::Arc, time::Duration};

use crate::{
    answer::{NumberOrText, RuleSpec, Rules, Sequence, SequenceFault},
    config::Settings,
    diagnosis::Verification,
    polis::StartError,
    record::Record,
    running::{Running, start},
};

/// How long [`Listener::wait_for`] waits; a test that needs longer has failed.
const WAIT: Duration = Duration::from_secs(10);

/// Captures requests on a free port of this machine until it is dropped.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let listener = polis::Listener::start().await?;
/// listener.respond([500, 500, 200])?;
///
/// reqwest::Client::new().post(listener.url()).body("hello").send().await?;
///
/// let requests = listener.wait_for(1).await?;
/// assert_eq!(&requests[0].body[..], b"hello");
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Listener {
    running: Running,
}

/// Fewer requests came than were expected.
#[derive(Debug, thiserror::Error)]
#[error("{came} of {wanted} requests came within {WAIT:?}")]
pub struct TooFew {
    /// Requests that came.
    pub came: usize,
    /// Requests that were expected.
    pub wanted: usize,
}

impl Listener {
    /// Starts on a free port, answering 200.
    ///
    /// # Errors
    /// [`StartError`] if the operating system gives no port.
    pub async fn start() -> Result<Self, StartError> {
        Self::start_with(Settings::quiet()).await
    }

    /// Starts with the given settings.
    ///
    /// # Errors
    /// [`StartError`] if a port is taken or the store cannot be used.
    pub async fn start_with(settings: Settings) -> Result<Self, StartError> {
        let running = start(settings).await?;
        Ok(Self { running })
    }

    /// Where requests are captured, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.running.capture_address())
    }

    /// Where the page and the API are.
    #[must_use]
    pub fn page_url(&self) -> String {
        format!("http://{}", self.running.page_address())
    }

    /// Answers these statuses in turn for each delivery; the last one repeats.
    ///
    /// # Errors
    /// [`SequenceFault`] for a status outside 200 to 599, or if there is no status.
    pub fn respond(&self, statuses: impl IntoIterator<Item = u16>) -> Result<(), SequenceFault> {
        let sequence = Sequence::of(statuses)?;
        let spec = RuleSpec {
            respond: Some(NumberOrText::Text(sequence.to_string())),
            ..RuleSpec::default()
        };
        self.answer(vec![spec])
            .map_err(|faults| SequenceFault::Entry(faults.join("; ")))
    }

    /// Answers by these rules.
    ///
    /// # Errors
    /// A sentence for every fault.
    pub fn answer(&self, rules: Vec<RuleSpec>) -> Result<(), Vec<String>> {
        let rules = Rules::new(rules)?;
        self.running.polis.scopes.default_scope().set_rules(rules);
        Ok(())
    }

    /// Checks signatures from now on; see [`Record::diagnosis`].
    pub fn verify(&self, verification: Verification) {
        let polis = &self.running.polis;
        polis.scopes.default_scope().set_verification(verification);
        polis.learn_secrets();
    }

    /// The captured requests, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Arc<Record>> {
        let mut requests = self.running.polis.store.newest_first();
        requests.reverse();
        requests
    }

    /// Waits until this many requests came and were answered, and returns all captured requests.
    ///
    /// # Errors
    /// [`TooFew`] if they did not come within ten seconds.
    pub async fn wait_for(&self, count: usize) -> Result<Vec<Arc<Record>>, TooFew> {
        let mut changed = self.running.polis.store.watch();
        let answered = || {
            let requests = self.requests();
            requests
                .iter()
                .filter(|request| request.answer().is_some())
                .count()
        };
        let waiting = async {
            loop {
                changed.borrow_and_update();
                if answered() >= count || changed.changed().await.is_err() {
                    return;
                }
            }
        };
        // Whether the time ran out or not, what came is counted below.
        let _ = tokio::time::timeout(WAIT, waiting).await;
        let came = answered();
        if came < count {
            return Err(TooFew {
                came,
                wanted: count,
            });
        }
        Ok(self.requests())
    }

    /// Stops, and writes what is still unwritten.
    pub async fn stop(self) {
        self.running.stop().await;
    }
}

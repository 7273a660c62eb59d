//! Makes requests in the way the engine does: judge, then dial through the guard.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use webhooks_core::{AddressPolicy, AddressRefusal, GuardedResolver, refusal_in};

/// Only a bound: nothing here waits for a network.
const TIME_LIMIT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) enum Outcome {
    Refused(AddressRefusal),
    Failed(String),
    Answered(u16),
}

pub(crate) struct Sender {
    policy: AddressPolicy,
    client: reqwest::Client,
}

impl Sender {
    pub(crate) fn new(policy: AddressPolicy, names: Arc<dyn Resolve>) -> Self {
        let client = GuardedResolver::with_inner(policy.clone(), names)
            .client()
            .timeout(TIME_LIMIT)
            .build()
            .unwrap();
        Self { policy, client }
    }

    pub(crate) async fn attempt(&self, url: &str) -> Outcome {
        let url = match self.policy.parse(url) {
            Ok(url) => url,
            Err(refusal) => return Outcome::Refused(refusal),
        };
        match self.client.post(url).body("{}").send().await {
            Ok(response) => Outcome::Answered(response.status().as_u16()),
            Err(error) => match refusal_in(&error) {
                Some(refusal) => Outcome::Refused(refusal.clone()),
                None => Outcome::Failed(format!("{error:?}")),
            },
        }
    }
}

/// Names that always stand for the same addresses.
pub(crate) struct Names(HashMap<String, Vec<IpAddr>>);

impl Names {
    pub(crate) fn new(names: &[(&str, &[&str])]) -> Arc<Self> {
        let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Arc::new(Self(
            names
                .iter()
                .map(|(name, texts)| ((*name).to_owned(), addresses(texts)))
                .collect(),
        ))
    }
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let answer = self.0.get(name.as_str().trim_end_matches('.')).cloned();
        Box::pin(async move {
            let addresses = answer.ok_or_else(|| io::Error::other("no such name"))?;
            let addresses = addresses.into_iter().map(|ip| SocketAddr::new(ip, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

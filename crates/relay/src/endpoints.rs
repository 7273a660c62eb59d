//! The engine's endpoints: one for each source, and one for each action of a rule.

use std::{collections::HashMap, net::SocketAddr, num::NonZeroU32};

use webhooks_core::{
    Endpoint, EndpointChange, EndpointId, EndpointState, NewEndpoint, RetrySchedule, Secret,
    Webhooks,
};

use crate::{config::Config, ledger::Ledger, open_error::OpenError, rule::Step};

/// The customer, in webhooks-core, that a source's events belong to.
pub(crate) fn source_customer(source: &str) -> String {
    format!("source/{source}")
}

/// The customer, in webhooks-core, that the events of a rule's actions belong to.
pub(crate) fn rule_customer(rule: &str) -> String {
    format!("rule/{rule}")
}

/// The event type of a source's own endpoint.
pub(crate) const EVERY_TYPE: &str = "*";

/// Brings the engine's endpoints in line with the file.
pub(crate) struct Setup<'a> {
    pub(crate) webhooks: &'a Webhooks,
    pub(crate) ledger: &'a Ledger,
    pub(crate) page: SocketAddr,
    pub(crate) secret: &'a Secret,
}

/// An endpoint as the file describes it.
struct Wanted {
    customer: String,
    /// The only event type that it receives, by which it is found again.
    name: String,
    path: String,
    retry: Option<RetrySchedule>,
    per_second: Option<NonZeroU32>,
}

impl Wanted {
    fn of_source(source: &str) -> Self {
        Self {
            customer: source_customer(source),
            name: EVERY_TYPE.to_owned(),
            path: format!("/route/{source}"),
            retry: None,
            per_second: None,
        }
    }

    fn of_step(rule: &str, step: &Step) -> Self {
        Self {
            customer: rule_customer(rule),
            name: step.name.clone(),
            path: format!("/actions/{rule}/{}", step.name),
            retry: step.retry.clone(),
            per_second: step.per_second,
        }
    }
}

impl Setup<'_> {
    pub(crate) async fn endpoints(
        &self,
        config: &Config,
    ) -> Result<HashMap<(String, String), EndpointId>, OpenError> {
        let mut wanted: Vec<Wanted> = Vec::new();
        wanted.extend(
            config
                .sources
                .iter()
                .map(|source| Wanted::of_source(&source.name)),
        );
        for rule in &config.rules {
            wanted.extend(
                rule.steps
                    .iter()
                    .map(|step| Wanted::of_step(&rule.name, step)),
            );
        }
        let customers = wanted
            .iter()
            .map(|wanted| wanted.customer.clone())
            .collect();
        let mut endpoints = HashMap::new();
        for customer in self.ledger.customers(customers).await? {
            let mut present = self.webhooks.endpoints(&customer).list().await?;
            for wanted in wanted.iter().filter(|wanted| wanted.customer == customer) {
                let place = present
                    .iter()
                    .position(|endpoint| endpoint.event_types == [wanted.name.as_str()]);
                let id = match place {
                    Some(place) => self.keep(&present.swap_remove(place), wanted).await?,
                    None => self.add(wanted).await?,
                };
                endpoints.insert((customer.clone(), wanted.name.clone()), id);
            }
            // The rest is no longer in the file.
            for endpoint in present {
                tracing::warn!(
                    customer,
                    action = endpoint.event_types.join(", "),
                    "an action is no longer in the file; its pending events are dropped"
                );
                self.webhooks
                    .endpoints(&customer)
                    .remove(&endpoint.id)
                    .await?;
            }
        }
        Ok(endpoints)
    }

    async fn add(&self, wanted: &Wanted) -> Result<EndpointId, OpenError> {
        let mut new = NewEndpoint::new(self.url(wanted))
            .event_types([&wanted.name])
            .secret(self.secret.clone());
        if let Some(retry) = &wanted.retry {
            new = new.retry(retry);
        }
        if let Some(per_second) = wanted.per_second {
            new = new.per_second(per_second);
        }
        Ok(self.webhooks.endpoints(&wanted.customer).add(new).await?.id)
    }

    /// Changes only what differs from the file: each change is a commit and a line in the log.
    async fn keep(&self, present: &Endpoint, wanted: &Wanted) -> Result<EndpointId, OpenError> {
        let endpoints = self.webhooks.endpoints(&wanted.customer);
        let id = present.id.clone();
        let settings = endpoints.settings(&id).await?;
        let url = self.url(wanted);
        if present.url != url
            || settings.retry != wanted.retry
            || settings.per_second != wanted.per_second
        {
            let change = EndpointChange::new()
                .url(url)
                .retry(wanted.retry.as_ref())
                .per_second(wanted.per_second);
            endpoints.edit(&id, change).await?;
        }
        if matches!(present.state, EndpointState::Disabled { .. }) {
            endpoints.enable(&id).await?;
        }
        Ok(id)
    }

    fn url(&self, wanted: &Wanted) -> String {
        format!("http://{}{}", self.page, wanted.path)
    }
}

//! `polis replay`: sends a captured request again, to a URL of the user's choice.
//!
//! The API sends replays only to loopback or to URLs given by flag, because a web page could call
//! it; here the user typed the URL.

use super::{
    client::{Api, Client, Pairs},
    exchange::Exchange,
    given,
    screen::{Screen, tell},
    secrets::SecretFiles,
    trouble::{Found, Trouble},
};
use crate::{
    api::{replay::Replay, replays::ReplayMade, scopes::ScopeShown, sign::Signed},
    destination::Destination,
    diagnosis::{Preset, preset_names, preset_of},
    edit::{self, Edits},
    outbound::Outgoing,
    record::Record,
    resend::{self, Signer},
};
use serde_json::value::RawValue;

/// Send a captured request again
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The path and query are the request's, without /in/<scope>, unless the URL has its own (http://host/ means /).

--set changes the bytes of one value and no others, in JSON and in forms (body.Name=text). The value is JSON if it
parses as JSON, else text; a whole body and a header are always text. If a name repeats, the last one is changed;
if it is missing, it is added at the end of its object or form. A dot in a JSON name is written \\.

For https, SSL_CERT_FILE names a file with the certificates to trust, such as a test server's own (on Linux).

Exit code: 0 for a 2xx answer, 1 for any other, 2 if there was none.

Examples:
  polis replay 17 --to http://localhost:3000
  polis replay 17 --to 3000 --set body.data=1 --resign"
)]
pub(super) struct ReplayAgain {
    /// The request's number
    id: u64,
    /// Where to send it
    #[arg(long, value_name = "URL", value_parser = given::destination)]
    to: Destination,
    /// Changes to make first: body.data=1, body.items.0.name=text, body=all, header.X-Name=text; header.X-Name= removes it
    #[arg(long, value_name = "PLACE=VALUE", value_parser = edit::typed)]
    set: Vec<(String, Box<RawValue>)>,
    /// Re-sign it, with the secret that polis checks it with, else with the one in POLIS_SECRETS
    #[arg(long)]
    resign: bool,
    #[arg(long, value_name = "PRESET", requires = "resign", help = format!("Whose signature: {} (default: the one that was checked, or whose header it has)", preset_names()))]
    provider: Option<Preset>,
    #[command(flatten)]
    secrets: SecretFiles,
    /// One JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    api: Api,
}

impl ReplayAgain {
    pub(super) async fn run(self) -> Result<Found, Trouble> {
        let client = Client::new(&self.api)?;
        let record = client.record(self.id).await?;
        resend::check(&record).map_err(Trouble::Given)?;
        let set: Edits = self.set.iter().cloned().collect();
        let request = match self.resign {
            true => self.signed(&client, &record, set).await?,
            false => {
                if let Some(preset) = resend::broken_signature(&record, &set) {
                    tell(&format!(
                        "the {preset} signature is for the body before the change; --resign signs it again"
                    ));
                }
                outgoing(&record, &set, &self.to, None)?
            }
        };
        let made = Exchange::make(&self.to.url, request).await;
        self.list(&client, &made).await;
        let exchange = made?;
        exchange.show(&mut Screen::new(), self.json)
    }
}

impl ReplayAgain {
    /// Has the running polis list it on its page. If that fails, the replay was still made.
    async fn list(&self, client: &Client, made: &Result<Exchange, Trouble>) {
        let listed = ReplayMade {
            to: self.to.to_string(),
            status: made.as_ref().ok().map(Exchange::status),
            error: made.as_ref().err().map(|trouble| match trouble {
                Trouble::Unanswered { error, .. } => error.to_string(),
                other => other.to_string(),
            }),
            edited: !self.set.is_empty(),
            resigned: self.resign,
        };
        let path = format!("api/requests/{}/replays", self.id);
        if let Err(trouble) = client.post::<ReplayMade>(&path, &listed).await {
            tell(&format!("polis does not list this replay: {trouble}"));
        }
    }

    /// Signed by polis, so that nobody else needs its secrets, or with the secret that was given.
    async fn signed(
        &self,
        client: &Client,
        record: &Record,
        set: Edits,
    ) -> Result<Outgoing, Trouble> {
        let checked = signed_by(record);
        if self.secrets.is_empty() {
            let path = format!("api/scopes/{}", record.scope);
            // A scope that was removed has no secrets.
            let scope: Option<ScopeShown> = client.json(&path, &Pairs::new()).await.ok();
            let own = scope.filter(|scope| scope.secrets > 0);
            let own = own.and_then(|scope| scope.verify);
            if own.is_some_and(|own| self.provider.is_none_or(|wanted| wanted == own)) {
                let replay = Replay {
                    to: self.to.to_string(),
                    set,
                    resign: true,
                };
                let path = format!("api/requests/{}/sign", self.id);
                let signed: Signed = client.post(&path, &replay).await?;
                tell(&format!(
                    "signed for {} by the polis at {}, with the secret of scope {}",
                    signed.preset,
                    client.shown(),
                    signed.scope
                ));
                let broken = || Trouble::Broken("what polis signed is not base64".into());
                return signed.outgoing().ok_or_else(broken);
            }
        }
        let preset = self.provider.or(checked).ok_or_else(|| {
            Trouble::Given(format!(
                "request #{} has no signature; name the provider to sign for with --provider",
                self.id
            ))
        })?;
        let secret = self.secrets.signing(preset)?;
        outgoing(record, &set, &self.to, Some(&Signer { preset, secret }))
    }
}

fn outgoing(
    record: &Record,
    set: &Edits,
    to: &Destination,
    signer: Option<&Signer>,
) -> Result<Outgoing, Trouble> {
    resend::outgoing(record, set, to, signer).map_err(|faults| Trouble::Given(faults.join("; ")))
}

/// The preset that was checked, else the one whose header there is.
fn signed_by(record: &Record) -> Option<Preset> {
    record
        .diagnosis
        .as_ref()
        .map(|diagnosis| diagnosis.preset)
        .or_else(|| record.head.as_ref().and_then(preset_of))
}

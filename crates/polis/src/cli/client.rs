//! The client of a running polis: its API on the second listener.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use serde::{Serialize, de::DeserializeOwned};
use serve::Surroundings;
use url::Url;

use super::trouble::Trouble;
use crate::{api::import::Imported, captured::Captured, config::Ports, recall, record::Record};

/// polis is on this machine; a listener that does not accept by then has been stopped.
const CONNECT: Duration = Duration::from_secs(3);
/// A search through all kept requests takes far less.
const ANSWER: Duration = Duration::from_secs(30);

/// Where polis is.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Api {
    /// Page and API of the running polis (POLIS_API; UI_PORT; PORT+1; http://127.0.0.1:9001)
    #[arg(long, value_name = "URL", help_heading = "Polis")]
    api: Option<String>,
}

/// Talks to one polis.
#[derive(Debug)]
pub(super) struct Client {
    base: Url,
    http: reqwest::Client,
}

/// Names and values of a query.
pub(super) type Pairs = Vec<(&'static str, String)>;

impl Client {
    /// Finds out where polis is; nothing is connected yet.
    pub(super) fn new(api: &Api) -> Result<Self, Trouble> {
        let around = Surroundings::of_process();
        let given = api
            .api
            .clone()
            .map(|url| ("--api".to_owned(), url))
            .or_else(|| {
                around
                    .variable("POLIS_API")
                    .map(|given| (given.source, given.value))
            });
        let (source, url) = match given {
            Some(given) => given,
            None => {
                // Uses the rules by which polis itself finds its ports, and no other setting.
                let port = Ports::read(&around)?.page();
                if port == 0 {
                    return Err(Trouble::Given(
                        "polis's port is set to 0, any free one; say which it is with --api or POLIS_API"
                            .into(),
                    ));
                }
                ("PORT".to_owned(), format!("http://127.0.0.1:{port}"))
            }
        };
        let base = Url::parse(&url)
            .ok()
            .filter(|url| url.scheme() == "http" && url.has_host())
            .ok_or_else(|| {
                Trouble::Given(format!(
                    "{source} is {url:?}; it must be a URL like http://127.0.0.1:9001"
                ))
            })?;
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .build()
            .map_err(|error| Trouble::Broken(error.to_string()))?;
        Ok(Self { base, http })
    }

    /// The API's answer as JSON.
    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &Pairs,
    ) -> Result<T, Trouble> {
        self.json_within(path, query, ANSWER).await
    }

    /// The same, with its own time limit, for answers that take longer.
    pub(super) async fn json_within<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &Pairs,
        limit: Duration,
    ) -> Result<T, Trouble> {
        let answer = self.get(path, query, Some(limit)).await?;
        let body = answer.bytes().await.map_err(broken)?;
        serde_json::from_slice(&body).map_err(|_| self.not_polis())
    }

    /// The exact bytes of a request's body.
    pub(super) async fn body(&self, id: u64) -> Result<Bytes, Trouble> {
        let path = format!("api/requests/{id}/body");
        let answer = self.get(&path, &Pairs::new(), Some(ANSWER)).await?;
        answer.bytes().await.map_err(broken)
    }

    /// Everything about one request, its body as text or base64.
    pub(super) async fn captured(&self, id: u64, show_secrets: bool) -> Result<Captured, Trouble> {
        let query = vec![
            ("body", "true".to_owned()),
            ("show_secrets", show_secrets.to_string()),
        ];
        self.json(&format!("api/requests/{id}"), &query).await
    }

    /// One request as it was captured, including credentials and the exact body.
    pub(super) async fn record(&self, id: u64) -> Result<Record, Trouble> {
        let query = vec![("show_secrets", "true".to_owned())];
        let captured = self.json(&format!("api/requests/{id}"), &query).await?;
        Ok(recall::record(&captured, self.body(id).await?))
    }

    /// The live stream.
    pub(super) async fn events(&self, query: &Pairs) -> Result<reqwest::Response, Trouble> {
        self.get("api/events", query, None).await
    }

    async fn get(
        &self,
        path: &str,
        query: &Pairs,
        limit: Option<Duration>,
    ) -> Result<reqwest::Response, Trouble> {
        let mut url = self.base.join(path).map_err(|_| self.not_polis())?;
        url.query_pairs_mut().extend_pairs(query);
        let mut request = self.http.get(url);
        if let Some(limit) = limit {
            request = request.timeout(limit);
        }
        self.sent(request).await
    }

    /// The API's answer to this JSON.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        value: &impl Serialize,
    ) -> Result<T, Trouble> {
        self.asked(Method::POST, path, &Pairs::new(), json(value)?)
            .await
    }

    pub(super) async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &Pairs,
        value: &impl Serialize,
    ) -> Result<T, Trouble> {
        self.asked(Method::PUT, path, query, json(value)?).await
    }

    pub(super) async fn delete<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &Pairs,
    ) -> Result<T, Trouble> {
        self.asked(Method::DELETE, path, query, Vec::new()).await
    }

    /// Imports the requests of a file.
    pub(super) async fn import(&self, file: Vec<u8>) -> Result<Imported, Trouble> {
        self.asked(Method::POST, "api/import", &Pairs::new(), file)
            .await
    }

    async fn asked<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &Pairs,
        body: Vec<u8>,
    ) -> Result<T, Trouble> {
        let mut url = self.base.join(path).map_err(|_| self.not_polis())?;
        url.query_pairs_mut().extend_pairs(query);
        let request = self.http.request(method, url).timeout(ANSWER);
        let request = request
            .header("Content-Type", "application/json")
            .body(body);
        let answer = self.sent(request).await?.bytes().await.map_err(broken)?;
        serde_json::from_slice(&answer).map_err(|_| self.not_polis())
    }

    async fn sent(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, Trouble> {
        let answer = request.send().await.map_err(|error| {
            if error.is_connect() {
                Trouble::NotRunning {
                    url: self.shown(),
                    reason: root(&error),
                }
            } else {
                broken(error)
            }
        })?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        #[derive(serde::Deserialize)]
        struct Told {
            error: String,
        }
        let body = answer.bytes().await.map_err(broken)?;
        match serde_json::from_slice::<Told>(&body) {
            Ok(told) => Err(Trouble::Refused(told.error)),
            // polis says in JSON what is wrong; its capture port answers anything.
            Err(_) => Err(self.not_polis()),
        }
    }

    fn not_polis(&self) -> Trouble {
        let mut next = self.base.clone();
        let port = next.port_or_known_default().unwrap_or_default();
        // Only a URL without a host has no port, and there is none here.
        let _ = next.set_port(Some(port.saturating_add(1)));
        Trouble::NotPolis {
            url: self.shown(),
            next: next.origin().ascii_serialization(),
        }
    }

    /// Where the API is.
    pub(super) fn shown(&self) -> String {
        self.base.origin().ascii_serialization()
    }
}

/// The error for a connection that broke.
pub(super) fn broken(error: reqwest::Error) -> Trouble {
    Trouble::Broken(root(&error.without_url()))
}

/// The innermost reason; the layers around it say less.
fn root(error: &dyn std::error::Error) -> String {
    let mut reason = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    reason.to_string()
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, Trouble> {
    serde_json::to_vec(value).map_err(|error| Trouble::Broken(error.to_string()))
}

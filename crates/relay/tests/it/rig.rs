//! A relay with a file, a clock of its own, and a client that signs.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use relay::{Config, Relay};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use webhooks_core::{
    Clock, Delivery, DeliveryFilter, Secret, SystemClock,
    scheme::{Provider, ToSign},
    testing::ManualClock,
};

/// The standard source's secret.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The sources of most tests.
pub(crate) const SOURCES: &str = r#"
[source.numbers]
verify = "standard"
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

[source.github]
verify = "github"
secret = "It's a Secret to Everybody"
"#;

pub(crate) struct Rig {
    pub(crate) relay: Relay,
    pub(crate) clock: Option<Arc<ManualClock>>,
    pub(crate) sources: SocketAddr,
    pub(crate) page: SocketAddr,
    pub(crate) directory: TempDir,
    client: reqwest::Client,
    servers: Vec<tokio::task::JoinHandle<()>>,
}

impl Rig {
    /// A relay whose clock stands until it is moved.
    pub(crate) async fn new(rules: &str) -> Self {
        let clock = Arc::new(ManualClock::starting_at(SystemTime::now()));
        Self::at(rules, Some(clock)).await
    }

    /// A relay that runs with the system's clock.
    pub(crate) async fn in_real_time(rules: &str) -> Self {
        Self::at(rules, None).await
    }

    async fn at(rules: &str, clock: Option<Arc<ManualClock>>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("relay.toml");
        std::fs::write(&file, format!("{rules}\n{SOURCES}")).unwrap();
        Self::open(directory, clock, "127.0.0.1:0".parse().unwrap()).await
    }

    async fn open(directory: TempDir, clock: Option<Arc<ManualClock>>, page: SocketAddr) -> Self {
        let file = directory.path().join("relay.toml");
        let config = Config::read(&file, |_| None).unwrap();
        let sources = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let page = TcpListener::bind(page).await.unwrap();
        let page_address = page.local_addr().unwrap();
        let time: Arc<dyn Clock> = match &clock {
            Some(clock) => Arc::clone(clock) as Arc<dyn Clock>,
            None => Arc::new(SystemClock::default()),
        };
        let relay = Relay::open(config, page_address, serve::Pages::default(), time)
            .await
            .unwrap();
        Self {
            clock,
            sources: sources.local_addr().unwrap(),
            page: page_address,
            directory,
            servers: vec![
                tokio::spawn(served(sources, relay.sources())),
                tokio::spawn(served(page, relay.page())),
            ],
            client: reqwest::Client::new(),
            relay,
        }
    }

    /// Stops in good order, changes the file, and starts again.
    pub(crate) async fn restart_with(mut self, rules: &str) -> Self {
        self.relay.shutdown(Duration::from_secs(10)).await;
        for server in self.servers.drain(..) {
            server.abort();
            let _ = server.await;
        }
        let file = self.directory.path().join("relay.toml");
        std::fs::write(&file, format!("{rules}\n{SOURCES}")).unwrap();
        Self::open(self.directory, self.clock, "127.0.0.1:0".parse().unwrap()).await
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn now(&self) -> SystemTime {
        match &self.clock {
            Some(clock) => clock.wall(),
            None => SystemTime::now(),
        }
    }

    /// Everything that can be done now is done.
    pub(crate) async fn settle(&self) {
        let limit = Duration::from_secs(60);
        let drained = tokio::time::timeout(limit, self.relay.webhooks().drain()).await;
        drained.expect("the engine comes to rest");
    }

    /// Time passes, and what is due then is done.
    pub(crate) async fn pass(&self, time: Duration) {
        self.clock.as_ref().unwrap().advance(time);
        self.settle().await;
    }

    /// Sends a number as webhooks-core would; the status.
    pub(crate) async fn send(&self, id: &str, event: &str, data: impl Into<Value>) -> u16 {
        let body = json!({"id": id, "event": event, "data": data.into()}).to_string();
        self.post_signed("numbers", id, &body).await
    }

    /// Sends a draw of the button's, and waits until all that follows is done.
    pub(crate) async fn draw(&self, id: &str, number: u32) {
        assert_eq!(self.send(id, "random_number:generate", number).await, 200);
        self.settle().await;
    }

    pub(crate) async fn post_signed(&self, source: &str, id: &str, body: &str) -> u16 {
        let secret: Secret = SECRET.parse().unwrap();
        let since = self.now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let at = i64::try_from(since.as_secs()).unwrap();
        let signature = webhooks_core::signature::sign(&[secret], id, at, body.as_bytes());
        let headers = [
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", at.to_string()),
            ("webhook-signature", signature),
        ];
        self.post(source, body, &headers).await
    }

    /// Sends what GitHub would.
    pub(crate) async fn github(&self, event: &str, body: &Value) -> u16 {
        let body = body.to_string();
        let key = Provider::GitHub.key("It's a Secret to Everybody").unwrap();
        let what = ToSign {
            id: "",
            timestamp_s: 0,
            url: "",
            content_type: None,
            body: body.as_bytes(),
        };
        let mut headers = Provider::GitHub.sign(&key, &what).unwrap();
        headers.push(("x-github-event", event.to_owned()));
        let status = self.post("github", &body, &headers).await;
        self.settle().await;
        status
    }

    pub(crate) async fn post(&self, path: &str, body: &str, headers: &[(&str, String)]) -> u16 {
        let mut request = self
            .client
            .post(format!("http://{}/{path}", self.sources))
            .header("content-type", "application/json")
            .body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        request.send().await.unwrap().status().as_u16()
    }

    /// The page's text.
    pub(crate) async fn page_text(&self) -> String {
        let page = reqwest::get(format!("http://{}/", self.page))
            .await
            .unwrap();
        assert_eq!(page.status(), 200);
        page.text().await.unwrap()
    }

    /// Every delivery of one action, the newest first.
    pub(crate) async fn deliveries(&self, rule: &str, step: &str) -> Vec<Delivery> {
        let endpoints = self.relay.webhooks().endpoints(format!("rule/{rule}"));
        let all = endpoints.list().await.unwrap();
        let endpoint = all
            .iter()
            .find(|endpoint| endpoint.event_types == [step])
            .unwrap();
        let page = endpoints
            .deliveries(&endpoint.id, DeliveryFilter::All, None, 500)
            .await
            .unwrap();
        page.deliveries
    }

    /// What each try of the only delivery of an action was answered.
    pub(crate) async fn answers(&self, rule: &str, step: &str) -> Vec<String> {
        let deliveries = self.deliveries(rule, step).await;
        assert_eq!(deliveries.len(), 1, "{deliveries:?}");
        let answers = deliveries[0].attempts.iter();
        answers
            .map(|attempt| String::from_utf8(attempt.body_head.clone()).unwrap())
            .collect()
    }
}

async fn served(listener: TcpListener, router: axum::Router) {
    let never = std::future::pending();
    serve::serve(
        listener,
        serve::protect(router),
        serve::Limits::default(),
        never,
    )
    .await;
}

//! Opening a store: its tables, this engine's place among the nodes, and starting what works on it.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use tokio::runtime::Runtime;

use super::{
    address::PostgresAddress,
    connection::Connector,
    endpoints,
    handle::Handle,
    history::history_of,
    membership::Membership,
    migration::{self, refusal},
    node::{LEASE, LeaseTimes},
    pace::Pace,
    requirements,
    row::Reader,
    session::Session,
    trouble,
    tx::Endpoints,
    watch::{NodeWatch, Watched},
    writer::Writer,
};
use crate::{
    clock::{Timeline, unix_millis},
    model::uptime::Uptime,
    seal::Seal,
    store::{
        endpoint_cache::EndpointCache,
        endpoint_row::{self, EndpointReader},
        error::StoreError,
        host::Host,
        lease::{Lease, since_start},
        open_error::OpenError,
        open_settings::OpenSettings,
        queue::WriterQueue,
    },
};

/// A store that is ready, before anything runs.
pub(crate) struct Opened {
    pub(crate) timeline: Arc<Timeline>,
    pub(crate) uptime: Arc<Uptime>,
    pub(crate) lease: Arc<Lease>,
    connector: Connector,
    reader: EndpointReader,
    endpoints_in_memory: usize,
    membership: Arc<Membership>,
    name: String,
    /// Whether the timeline follows the database's clock.
    follows_database: bool,
    /// The wait between two polls of the database; adaptive unless set.
    look_wait: Option<Duration>,
    runtimes: (Runtime, Runtime),
}

/// A store that is at work, except for its writer.
pub(crate) struct Started {
    pub(crate) handle: Arc<Handle>,
    pub(crate) writer: Writer,
    pub(crate) watch: Option<NodeWatch>,
}

/// Opens a store: migrates its tables to the current version, and joins the nodes that work on it.
pub(crate) async fn open(
    address: PostgresAddress,
    settings: OpenSettings,
) -> Result<Opened, OpenError> {
    let shown = address.shown.clone();
    let schema = address.schema.clone();
    let refuse = |source| refusal(&shown, &schema, source);
    let connector = Connector {
        address,
        durability: settings.durability,
        answer_limit: settings.answer_limit,
    };
    let mut connection = connector.connect().await.map_err(refuse)?;
    let version = requirements::version_of(&mut connection).await;
    requirements::check_version(version.map_err(refuse)?, &shown)?;
    requirements::check_connections(&connector)
        .await
        .map_err(refuse)?;
    if settings.migrates {
        migration::migrate(&mut connection, &schema, &shown).await?;
    } else {
        migration::require(&mut connection, &schema, &shown).await?;
    }
    let history = history_of(&mut connection).await.map_err(refuse)?;
    let engines = Arc::new(AtomicUsize::new(1));
    let reader = EndpointReader {
        engines: Some(Arc::clone(&engines)),
        seal: Arc::new(Seal::new(settings.key.as_ref())),
        schedule: Arc::new(settings.schedule),
    };
    let mut rows = connector.begin_on(&mut connection).await.map_err(refuse)?;
    if let Some(missing) = rows.missing_rights().await.map_err(refuse)? {
        return Err(OpenError::Rights {
            store: shown,
            schema: schema.name().to_owned(),
            problem: missing,
        });
    }
    // The timeline follows the database's clock, which all nodes share.
    let offset = if settings.is_clock_given {
        0
    } else {
        let before = unix_millis(settings.clock.wall());
        let database = rows.clock().await.map_err(refuse)?;
        database - i64::midpoint(before, unix_millis(settings.clock.wall()))
    };
    let reached = rows.reached().await.map_err(refuse)?;
    let timeline = Timeline::new(settings.clock, offset, reached);
    rows.make_partitions(timeline.now()).await.map_err(refuse)?;
    check_key(&mut rows, &reader).await.map_err(refuse)?;
    let uptime = rows.uptime(timeline.now()).await.map_err(refuse)?;
    let name = node_name();
    let began = since_start();
    let node = rows.join(&name, timeline.now()).await.map_err(refuse)?;
    if rows.is_copied_into().await.map_err(refuse)? {
        return Err(OpenError::Copying {
            store: shown,
            schema: schema.name().to_owned(),
        });
    }
    trouble::tell(&mut rows, &reader, &timeline)
        .await
        .map_err(refuse)?;
    connection.execute("commit").await.map_err(refuse)?;
    close(connection).await;
    let lease = Arc::new(Lease::ending());
    let membership = Arc::new(Membership::new(
        (node, history),
        (
            Arc::clone(&lease),
            LeaseTimes::of(settings.lease.unwrap_or(LEASE)),
        ),
        engines,
        began,
    ));
    let runtimes = (runtime()?, runtime()?);
    Ok(Opened {
        timeline: Arc::new(timeline),
        uptime: Arc::new(uptime),
        lease,
        connector,
        reader,
        endpoints_in_memory: settings.endpoints_in_memory,
        membership,
        name,
        follows_database: !settings.is_clock_given,
        look_wait: settings.look_wait,
        runtimes,
    })
}

async fn close(connection: Session) {
    if let Err(error) = connection.close().await {
        tracing::debug!(%error, "a connection could not be closed cleanly");
    }
}

/// One for each thread: it drives the connections of that thread only.
fn runtime() -> Result<Runtime, OpenError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| OpenError::Client(error.to_string()))
}

/// For people who look at the table of nodes.
fn node_name() -> String {
    let host = rustix::system::uname();
    format!(
        "{}:{}",
        host.nodename().to_string_lossy(),
        std::process::id()
    )
}

/// Reads one endpoint, to refuse a wrong key at the start instead of at the first delivery.
async fn check_key(rows: &mut Reader<'_>, reader: &EndpointReader) -> Result<(), StoreError> {
    let newest: Option<i64> = rows
        .query("select max(key) from webhooks.endpoint where state <> 'removed'")
        .read_value(rows.connection)
        .await?;
    let Some(newest) = newest else {
        return Ok(());
    };
    let read = endpoints::read(reader, rows, endpoints::Selection::Keys(&[newest])).await;
    endpoint_row::check_key(read)
}

impl Opened {
    /// Starts working for `host`, on what arrives in `queue`.
    pub(crate) fn start(self, host: Arc<Host>, queue: &Arc<WriterQueue>) -> Started {
        let (writing, watching) = self.runtimes;
        let watch = NodeWatch::start(
            watching,
            Watched {
                connector: self.connector.clone(),
                timeline: Arc::clone(&self.timeline),
                membership: Arc::clone(&self.membership),
                queue: Arc::clone(queue),
                due: Arc::clone(&host.due),
                audience: host.audience.clone(),
                name: self.name,
                follows_database: self.follows_database,
                pace: Pace::new(self.look_wait),
            },
        );
        let watch = watch.map(Some).unwrap_or_else(|error| {
            // Without it the lease ends, and nothing is sent.
            tracing::error!(%error, "the thread that looks after this node could not be started");
            None
        });
        let handle = Handle::new(
            self.connector.clone(),
            self.reader.clone(),
            self.timeline,
            Arc::clone(&self.membership),
        );
        let endpoints = Endpoints {
            cache: EndpointCache::new(host, self.endpoints_in_memory),
            reader: self.reader,
            version: None,
            told: None,
            changed: BTreeSet::new(),
        };
        Started {
            handle: Arc::new(handle),
            writer: Writer::new(writing, self.connector, endpoints, self.membership),
            watch,
        }
    }
}

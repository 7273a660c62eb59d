//! Opening a store: taking over what the previous process left, and starting what works on it.

use std::{path::PathBuf, sync::Arc};

use rusqlite::{Connection, OptionalExtension};

use super::{
    endpoints::{self, Endpoints},
    file_lock::FileLock,
    guard::Guard,
    handle::Handle,
    lane,
    outbox_watch::OutboxWatch,
    retention, schema,
    setting::{setting, store_setting},
    trouble, uptime,
    writer::Writer,
};
use crate::{
    clock::Timeline,
    model::uptime::Uptime,
    seal::Seal,
    store::{
        endpoint_cache::EndpointCache,
        endpoint_row::{self, EndpointReader},
        error::StoreError,
        host::Host,
        open_error::OpenError,
        open_settings::OpenSettings,
        queue::WriterQueue,
    },
};

/// A store that is ready, before anything runs.
pub(crate) struct Opened {
    pub(crate) timeline: Arc<Timeline>,
    pub(crate) uptime: Arc<Uptime>,
    file: Option<PathBuf>,
    lock: Option<FileLock>,
    connection: (Connection, Guard),
    reader: EndpointReader,
    endpoints_in_memory: usize,
    boot: i64,
    last_event: i64,
}

/// A store that is at work, except for its writer.
pub(crate) struct Started {
    pub(crate) handle: Arc<Handle>,
    pub(crate) writer: Writer,
    pub(crate) watch: Option<OutboxWatch>,
    /// The file stays locked until this is dropped.
    pub(crate) lock: Option<FileLock>,
}

/// Opens a store; without a file, one in memory. It waits for locks and the disk, so call it away from
/// the async threads.
pub(crate) fn open(file: Option<PathBuf>, settings: OpenSettings) -> Result<Opened, OpenError> {
    let shown = file
        .as_deref()
        .map_or_else(|| ":memory:".to_owned(), |file| file.display().to_string());
    let lock = file
        .as_deref()
        .map(|file| FileLock::take(file, settings.lock_wait))
        .transpose()?;
    let (connection, guard) = schema::open_writer(file.as_deref(), settings.durability)?;
    let refuse = |source: rusqlite::Error| schema::refusal(&shown, source);
    let offset = setting(&connection, "offset").map_err(refuse)?;
    let newest: Option<i64> = connection
        .query_row(
            "select created_at from webhooks_event order by seq desc limit 1",
            [],
            |row| row.get(0),
        )
        .optional()
        .map_err(refuse)?;
    let reached = setting(&connection, "reached")
        .map_err(refuse)?
        .max(newest.unwrap_or_default());
    let timeline = Timeline::new(settings.clock, offset, reached);
    let boot = setting(&connection, "boot").map_err(refuse)? + 1;
    let reader = EndpointReader {
        engines: None,
        seal: Arc::new(Seal::new(settings.key.as_ref())),
        schedule: Arc::new(settings.schedule),
    };
    let refuse_stored = |error: StoreError| schema::store_refusal(&shown, error);
    check_key(&connection, &reader).map_err(refuse_stored)?;
    // One transaction: a file that turns out to be damaged is left as it was.
    let taking_over = connection.unchecked_transaction().map_err(refuse)?;
    store_setting(&taking_over, "boot", boot).map_err(refuse_stored)?;
    store_setting(&taking_over, "offset", timeline.offset()).map_err(refuse_stored)?;
    let last_event = retention::last_event(&taking_over).map_err(refuse)?;
    let uptime = uptime::begin(&taking_over, reached, timeline.now()).map_err(refuse)?;
    let held = lane::recover(&taking_over, timeline.now()).map_err(refuse)?;
    taking_over.commit().map_err(refuse)?;
    if held > 0 {
        tracing::info!(
            deliveries = held,
            "took over deliveries that were in memory when the previous process ended"
        );
    }
    trouble::tell(&connection, &reader, &timeline).map_err(refuse_stored)?;
    if timeline.offset().abs() > 60_000 {
        tracing::warn!(
            offset_s = timeline.offset() / 1_000,
            "the wall clock differs from the time that this store has reached"
        );
    }
    Ok(Opened {
        timeline: Arc::new(timeline),
        uptime: Arc::new(uptime),
        file,
        lock,
        connection: (connection, guard),
        reader,
        endpoints_in_memory: settings.endpoints_in_memory,
        boot,
        last_event,
    })
}

/// Reads one endpoint, to refuse a wrong key at the start instead of at the first delivery.
fn check_key(connection: &Connection, reader: &EndpointReader) -> Result<(), StoreError> {
    let newest = endpoints::read(
        reader,
        connection,
        "key = (select max(key) from webhooks_endpoint where state <> 'removed')",
        [],
    );
    endpoint_row::check_key(newest)
}

impl Opened {
    /// Starts working for `host`, on what arrives in `queue`.
    pub(crate) fn start(self, host: Arc<Host>, queue: &Arc<WriterQueue>) -> Started {
        let watch = self
            .file
            .clone()
            .map(|file| OutboxWatch::start(file, Arc::clone(queue)));
        let watch = watch.transpose().unwrap_or_else(|error| {
            tracing::error!(%error, "the outbox table is not watched, because no thread could be started");
            None
        });
        let handle = Handle::new(
            self.file,
            self.reader.clone(),
            self.timeline,
            Arc::clone(queue),
        );
        let endpoints = Endpoints {
            cache: EndpointCache::new(Arc::clone(&host), self.endpoints_in_memory),
            reader: self.reader,
        };
        Started {
            handle: Arc::new(handle),
            writer: Writer::new(
                self.connection,
                host,
                endpoints,
                (self.boot, self.last_event),
            ),
            watch,
            lock: self.lock,
        }
    }
}

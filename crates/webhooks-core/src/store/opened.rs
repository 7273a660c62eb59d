//! A store of either kind: ready, and at work.

use std::sync::Arc;

#[cfg(feature = "postgres")]
use super::postgres;
#[cfg(feature = "sqlite")]
use super::sqlite;
use super::{Store, committed::Committed, host::Host, lease::Lease, queue::WriterQueue};
use crate::{clock::Timeline, model::uptime::Uptime};

/// A store that is ready, before anything runs.
pub(crate) enum Opened {
    #[cfg(feature = "sqlite")]
    Sqlite(Box<sqlite::open::Opened>),
    #[cfg(feature = "postgres")]
    Postgres(Box<postgres::open::Opened>),
}

/// A store that is at work, except for its writer.
pub(crate) struct Started {
    pub(crate) store: Arc<Store>,
    pub(crate) writer: Writer,
    pub(crate) watch: Option<Watch>,
    /// What is kept until everything has ended: the lock on a file.
    pub(crate) lock: Option<Lock>,
}

/// What keeps others away from a store.
pub(crate) type Lock = Box<dyn Send + Sync>;

/// The writer.
pub(crate) enum Writer {
    #[cfg(feature = "sqlite")]
    Sqlite(Box<sqlite::writer::Writer>),
    #[cfg(feature = "postgres")]
    Postgres(Box<postgres::writer::Writer>),
}

/// What looks after a store besides its writer, on a thread of its own.
pub(crate) enum Watch {
    #[cfg(feature = "sqlite")]
    Sqlite(sqlite::outbox_watch::OutboxWatch),
    #[cfg(feature = "postgres")]
    Postgres(postgres::watch::NodeWatch),
}

impl Opened {
    pub(crate) fn timeline(&self) -> &Arc<Timeline> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(opened) => &opened.timeline,
            #[cfg(feature = "postgres")]
            Self::Postgres(opened) => &opened.timeline,
        }
    }

    pub(crate) fn uptime(&self) -> &Arc<Uptime> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(opened) => &opened.uptime,
            #[cfg(feature = "postgres")]
            Self::Postgres(opened) => &opened.uptime,
        }
    }

    /// Until when deliveries that are held may be sent.
    pub(crate) fn lease(&self) -> Arc<Lease> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => Arc::new(Lease::endless()),
            #[cfg(feature = "postgres")]
            Self::Postgres(opened) => Arc::clone(&opened.lease),
        }
    }

    /// Starts working for `host`, on what arrives in `queue`.
    pub(crate) fn start(self, host: Arc<Host>, queue: &Arc<WriterQueue>) -> Started {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(opened) => {
                let sqlite::open::Started {
                    handle,
                    writer,
                    watch,
                    lock,
                } = opened.start(host, queue);
                Started {
                    store: Arc::new(Store::Sqlite(handle)),
                    writer: Writer::Sqlite(Box::new(writer)),
                    watch: watch.map(Watch::Sqlite),
                    lock: lock.map(|lock| Box::new(lock) as Lock),
                }
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(opened) => {
                let postgres::open::Started {
                    handle,
                    writer,
                    watch,
                } = opened.start(host, queue);
                Started {
                    store: Arc::new(Store::Postgres(handle)),
                    writer: Writer::Postgres(Box::new(writer)),
                    watch: watch.map(Watch::Postgres),
                    lock: None,
                }
            }
        }
    }
}

impl Writer {
    /// Waits for a batch and writes it. Returns what follows; `None` when the queue is closed and
    /// empty.
    pub(crate) fn write_next(&mut self, queue: &WriterQueue) -> Option<Committed> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(writer) => writer.write_next(queue),
            #[cfg(feature = "postgres")]
            Self::Postgres(writer) => writer.write_next(queue),
        }
    }
}

impl Watch {
    /// Returns once it has ended.
    pub(crate) fn stop(self) {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(watch) => watch.stop(),
            #[cfg(feature = "postgres")]
            Self::Postgres(watch) => watch.stop(),
        }
    }
}

//! The connections on which a store answers questions: each is lent to one question at a time, and kept.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::error::StoreError;

/// The connections for reading.
pub(crate) struct Readers<C> {
    places: Arc<Semaphore>,
    connections: Mutex<Connections<C>>,
    /// A lent connection was given back, or is gone.
    returned: Notify,
}

struct Connections<C> {
    idle: Vec<C>,
    lent: usize,
    is_closed: bool,
}

/// The place of a lent connection. Without [`LentPlace::give_back`] that connection is not used again.
pub(crate) struct LentPlace<C> {
    of: Arc<Readers<C>>,
    _permit: OwnedSemaphorePermit,
}

impl<C> Readers<C> {
    /// At most `places` connections.
    pub(crate) fn new(places: usize) -> Arc<Self> {
        Arc::new(Self {
            places: Arc::new(Semaphore::new(places)),
            connections: Mutex::new(Connections {
                idle: Vec::new(),
                lent: 0,
                is_closed: false,
            }),
            returned: Notify::new(),
        })
    }

    /// An idle connection, or a new one. Waits while all of them are lent.
    ///
    /// # Errors
    /// [`StoreError::Closed`], or that of `open` if no other connection is open either: what fails may be that this
    /// machine or the server has no place for one more.
    pub(crate) async fn lend<F>(
        self: &Arc<Self>,
        open: impl FnOnce() -> F,
    ) -> Result<(C, LentPlace<C>), StoreError>
    where
        F: Future<Output = Result<C, StoreError>>,
    {
        let permit = Arc::clone(&self.places).acquire_owned().await;
        let permit = permit.map_err(|_| StoreError::Closed)?;
        let idle = self.connections.lock().lend_idle();
        let connection = match idle {
            Some(connection) => connection,
            None => match open().await {
                Ok(connection) => {
                    self.connections.lock().lent += 1;
                    connection
                }
                Err(error) => self.returned_one().await.ok_or(error)?,
            },
        };
        let place = LentPlace {
            of: Arc::clone(self),
            _permit: permit,
        };
        Ok((connection, place))
    }

    /// The next connection that is given back; `None` once none is lent.
    async fn returned_one(&self) -> Option<C> {
        loop {
            // Registers before looking, so that what is given back in between is not missed.
            let returned = self.returned.notified();
            {
                let mut connections = self.connections.lock();
                let idle = connections.lend_idle();
                if idle.is_some() || connections.lent == 0 {
                    return idle;
                }
            }
            returned.await;
        }
    }

    /// Closes the connections that are not lent. The others are closed when they are given back.
    pub(crate) fn close(&self) {
        self.places.close();
        let mut connections = self.connections.lock();
        connections.is_closed = true;
        connections.idle.clear();
    }
}

impl<C> Connections<C> {
    fn lend_idle(&mut self) -> Option<C> {
        let idle = self.idle.pop()?;
        self.lent += 1;
        Some(idle)
    }
}

impl<C> LentPlace<C> {
    /// The connection that was lent with this place can be used again.
    pub(crate) fn give_back(self, connection: C) {
        let mut connections = self.of.connections.lock();
        if !connections.is_closed {
            connections.idle.push(connection);
        }
    }
}

impl<C> Drop for LentPlace<C> {
    fn drop(&mut self) {
        self.of.connections.lock().lent -= 1;
        self.of.returned.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    async fn opened(number: u32) -> Result<u32, StoreError> {
        Ok(number)
    }

    async fn refused() -> Result<u32, StoreError> {
        Err(StoreError::Busy)
    }

    #[tokio::test]
    async fn a_connection_that_was_given_back_is_lent_again() {
        let readers = Readers::new(2);
        let (connection, place) = readers.lend(|| opened(1)).await.unwrap();
        place.give_back(connection);
        assert_eq!(readers.lend(|| opened(2)).await.unwrap().0, 1);
    }

    #[tokio::test]
    async fn one_that_was_not_given_back_is_replaced() {
        let readers = Readers::new(1);
        drop(readers.lend(|| opened(1)).await.unwrap());
        assert_eq!(readers.lend(|| opened(2)).await.unwrap().0, 2);
    }

    #[tokio::test]
    async fn as_many_are_lent_as_there_are_places() {
        let readers = Readers::new(2);
        let (first, place) = readers.lend(|| opened(1)).await.unwrap();
        let _second = readers.lend(|| opened(2)).await.unwrap();
        let mut third = Box::pin(readers.lend(|| opened(3)));
        assert!(third.as_mut().now_or_never().is_none());
        place.give_back(first);
        assert_eq!(third.await.unwrap().0, 1);
    }

    #[tokio::test]
    async fn if_none_can_be_opened_the_next_that_is_given_back_is_lent() {
        let readers = Readers::new(3);
        let (first, place) = readers.lend(|| opened(1)).await.unwrap();
        let mut waiting = [(); 2].map(|()| Box::pin(readers.lend(refused)));
        for waiting in &mut waiting {
            assert!(waiting.as_mut().now_or_never().is_none());
        }
        place.give_back(first);
        let [second, third] = waiting;
        let (connection, place) = second.await.unwrap();
        assert_eq!(connection, 1);
        place.give_back(connection);
        assert_eq!(third.await.unwrap().0, 1);
    }

    #[tokio::test]
    async fn if_none_can_be_opened_and_none_is_open_that_is_the_error() {
        let readers = Readers::new(3);
        assert!(matches!(readers.lend(refused).await, Err(StoreError::Busy)));
        let lent = readers.lend(|| opened(1)).await.unwrap();
        let mut waiting = [(); 2].map(|()| Box::pin(readers.lend(refused)));
        for waiting in &mut waiting {
            assert!(waiting.as_mut().now_or_never().is_none());
        }
        drop(lent);
        for waiting in waiting {
            assert!(matches!(waiting.await, Err(StoreError::Busy)));
        }
    }

    #[tokio::test]
    async fn nothing_is_lent_or_kept_after_the_end() {
        let readers = Readers::new(2);
        let (connection, place) = readers.lend(|| opened(1)).await.unwrap();
        readers.close();
        place.give_back(connection);
        assert!(readers.connections.lock().idle.is_empty());
        let lent = readers.lend(|| opened(2)).await;
        assert!(matches!(lent, Err(StoreError::Closed)));
    }
}

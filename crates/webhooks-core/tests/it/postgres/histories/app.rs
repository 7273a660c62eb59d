//! Transactions of an app's own, which are open for some steps of a history.

use rand::RngExt;
use sqlx::{Connection, PgConnection};
use webhooks_core::Event;

use super::History;

/// Open at once.
const OPEN_MAX: usize = 3;

/// A transaction with one event in it.
pub(super) struct AppTransaction {
    connection: PgConnection,
    party: usize,
    event: String,
    /// How many events of the party were acknowledged when it was sent.
    sent_at: usize,
}

impl AppTransaction {
    async fn end(&mut self, statement: &'static str) {
        let ended = sqlx::query(statement).execute(&mut self.connection);
        ended.await.unwrap();
    }
}

impl History {
    /// Begins one, or ends the one that is open for longest.
    pub(super) async fn begin_or_end_transaction(&mut self, party: usize) {
        let ends = self.transactions.len() >= OPEN_MAX || self.random.random_bool(0.5);
        if ends && !self.transactions.is_empty() {
            self.end_transaction().await;
        } else {
            self.begin_transaction(party).await;
        }
    }

    async fn begin_transaction(&mut self, party: usize) {
        let mut transaction = AppTransaction {
            connection: PgConnection::connect(self.database.url()).await.unwrap(),
            party,
            event: self.next_id(),
            sent_at: self.parties[party].acknowledged.len(),
        };
        transaction.end("begin").await;
        let node = self.random.random_range(0..self.members.len());
        let of = &self.parties[party];
        let event = Event::new("a", &1).id(&transaction.event);
        let webhooks = &self.members[node].webhooks;
        let sent = webhooks
            .send_in(&mut transaction.connection, &of.customer, event)
            .await;
        self.story.push(format!(
            "{} to {party} on {node}, in a transaction: {}",
            transaction.event,
            super::outcome(&sent)
        ));
        if sent.is_ok() {
            self.transactions.push_back(transaction);
        } else {
            transaction.end("rollback").await;
            self.parties[party].refused.insert(transaction.event);
        }
    }

    async fn end_transaction(&mut self) {
        let Some(mut transaction) = self.transactions.pop_front() else {
            return;
        };
        let event = transaction.event.clone();
        let commits = self.random.random_bool(0.8);
        let statement = if commits { "commit" } else { "rollback" };
        self.story.push(format!("{statement} of {event}"));
        transaction.end(statement).await;
        if commits {
            self.acknowledge(transaction.party, event.clone());
        }
        let of = &mut self.parties[transaction.party];
        if commits {
            of.sent_at.insert(event, transaction.sent_at);
        } else {
            of.refused.insert(event);
        }
    }

    pub(super) async fn end_transactions(&mut self) {
        while !self.transactions.is_empty() {
            self.end_transaction().await;
        }
    }
}

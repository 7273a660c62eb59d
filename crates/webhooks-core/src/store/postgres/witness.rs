//! How to find out whether a transaction was committed when its answer was lost.
//!
//! Its transaction id does not tell: a server that crashed before any of the transaction had reached its
//! disk, or a replica that never had it, gives the id to another transaction, and reports that as committed.

use super::row::Reader;
use crate::store::error::StoreError;

/// Something that only one transaction can have stored. If there are several, the last is looked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Witness {
    /// A lane no longer belongs to this node. If another transaction gave it away, it is gone just the same.
    Given { key: i64 },
    /// None of these deliveries has its claim any more. That is also true of deliveries that somebody else
    /// removed, which makes this weaker evidence than those below.
    Released(Claims),
    /// One of these deliveries has its claim. Somebody else can remove deliveries, but then nobody holds them.
    Claimed(Claims),
    /// An endpoint has this version.
    Changed { key: i64, version: i64 },
    /// An event exists.
    Event { seq: i64, day: i32, id: String },
    /// An event with an id of ours exists, whatever number it got.
    Sent { day: i32, id: String },
}

/// Deliveries, and the claims of this node that they had or got, as columns.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Claims {
    pub(super) seqs: Vec<i64>,
    pub(super) keys: Vec<i64>,
    pub(super) claims: Vec<i64>,
}

/// What became of a transaction that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// With the number of the event, if one was looked for.
    Committed(Option<i64>),
    RolledBack,
    /// The node was declared dead meanwhile: what it had claimed is free, whether or not it was committed.
    Fenced,
}

impl Reader<'_> {
    /// What became of a transaction of a node, once it is over: until then it holds the lock on the node's row.
    /// Called within a transaction, whose commit means that the answer is on disk too, and on a replica's if
    /// the server is set up so.
    pub(super) async fn outcome(
        &mut self,
        node: i64,
        witness: &Witness,
    ) -> Result<Outcome, StoreError> {
        let is_alive = self
            .query("select alive from webhooks.node where id = $1 for update")
            .bind(node)
            .find_value(self.connection)
            .await?;
        // Without a row, a server has taken over that never got it.
        let is_alive = is_alive.unwrap_or(false);
        let is_of_claims = matches!(witness, Witness::Claimed(_) | Witness::Released(_));
        if !is_alive && is_of_claims {
            return Ok(Outcome::Fenced);
        }
        let found = self.find(node, witness).await?;
        let is_gone = matches!(witness, Witness::Released(_) | Witness::Given { .. });
        Ok(if found.is_some() != is_gone {
            Outcome::Committed(found)
        } else {
            Outcome::RolledBack
        })
    }

    /// What a transaction of a node stored, or removed: the number of its event, if one is looked for.
    async fn find(&mut self, node: i64, witness: &Witness) -> Result<Option<i64>, StoreError> {
        let query = match witness {
            Witness::Given { key } => self
                .query("select endpoint_key from webhooks.lane where endpoint_key = $1 and node = $2")
                .bind(key)
                .bind(node),
            Witness::Sent { day, id } => self
                .query("select seq from webhooks.event where day = $1 and id = $2")
                .bind(day)
                .bind(id),
            Witness::Event { seq, day, id } => self
                .query("select seq from webhooks.event where seq = $1 and day = $2 and id = $3")
                .bind(seq)
                .bind(day)
                .bind(id),
            Witness::Claimed(of) | Witness::Released(of) => self
                .query(
                    "select d.event_seq from webhooks.delivery d
                     where d.event_seq = any($1) and (d.claim in (select unnest($2::int8[]))) is true limit 1",
                )
                .bind(&of.seqs)
                .bind(&of.claims),
            Witness::Changed { key, version } => self
                .query("select key from webhooks.endpoint where key = $1 and version = $2")
                .bind(key)
                .bind(version),
        };
        query.find_value(self.connection).await
    }
}

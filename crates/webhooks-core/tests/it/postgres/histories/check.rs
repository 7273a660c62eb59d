//! The promises, and what holds at any time.

use std::collections::HashSet;

use webhooks_core::DeliveryState;

use super::{ATTEMPTS, History, member::SCHEMA, party::Kind};

/// Rows that nobody would come to: claimed by a node that does not live, or in a lane that is not there,
/// has neither a date nor anybody who has it in hand, or is a dead node's. A row that has arrived without a touch of
/// its lane is found by its note, whatever became of the lane while its transaction was open.
const WITHOUT_A_WAY: &str = "
    select d::text, l::text, e.state
    from {schema}.delivery d
    join {schema}.endpoint e on e.key = d.endpoint_key
    left join {schema}.lane l on l.endpoint_key = d.endpoint_key
    left join {schema}.node o on o.id = l.node and o.alive
    where case
        when d.claim is not null
            then not exists (select 1 from {schema}.node n where n.id = d.claim >> 40 and n.alive)
        when not d.lane then false
        when exists (select 1 from {schema}.arrival a
                     where a.event_seq = d.event_seq and a.endpoint_key = d.endpoint_key) then false
        else l.endpoint_key is null or l.node is not null and o.id is null
            or e.state = 'active' and l.due_at is null and o.id is null
    end
    limit 5";

impl History {
    /// At any time each delivery is somewhere where it is found.
    pub(super) async fn every_row_has_a_way(&self) {
        let look = WITHOUT_A_WAY.replace("{schema}", SCHEMA);
        let database = &self.database;
        let rows = tokio::task::block_in_place(|| database.query(&look));
        let rows = rows.unwrap();
        assert!(
            rows.trim().is_empty(),
            "nobody comes to these:\n{rows}\n{}",
            self.told()
        );
    }

    /// Nodes that were declared dead, and went on as others.
    pub(super) fn joined_anew(&self) -> usize {
        let joined = format!("select last_value from {SCHEMA}.node_id");
        let joined: usize = self
            .database
            .query(&joined)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        joined - self.opened
    }

    pub(super) async fn check(&self) {
        let again = self.disturbances + self.joined_anew();
        for party in &self.parties {
            let arrived = party.receiver.event_ids();
            let arrivals = party.arrivals();
            let mut first = HashSet::new();
            let firsts: Vec<&String> = arrived
                .iter()
                .filter(|id| first.insert((*id).clone()))
                .collect();
            for event in &party.acknowledged {
                let deliveries = self.members[0]
                    .webhooks
                    .deliveries(&party.customer, event)
                    .await
                    .unwrap();
                // An event sent after its only endpoint was removed is owed to nobody.
                let Some(delivery) = deliveries.first() else {
                    assert!(party.removed, "{event} has no delivery\n{}", self.told());
                    continue;
                };
                assert_eq!(deliveries.len(), 1, "{event}\n{}", self.told());
                match &delivery.state {
                    DeliveryState::Delivered { .. } => {
                        assert!(first.contains(event), "{event} is said to be delivered");
                    }
                    DeliveryState::Ended { .. } => {}
                    state => panic!("{event} is left {state:?}\n{}", self.told()),
                }
                let attempts = arrivals.get(event).copied().unwrap_or_default();
                assert!(
                    attempts <= party.schedules(event) * ATTEMPTS + again,
                    "{event} came {attempts} times\n{}",
                    self.told()
                );
                if let Some(before) = party.canceled.get(event) {
                    assert_eq!(
                        attempts,
                        *before,
                        "{event} came after it was canceled\n{}",
                        self.told()
                    );
                }
            }
            for (event, arrivals) in &arrivals {
                // Whose id its sender was not told is not known to be sent again.
                if !party.knows(event) {
                    continue;
                }
                let successes = party.successes(event, *arrivals);
                let allowed = self.again.times(event);
                assert!(
                    successes <= party.schedules(event) + allowed,
                    "{event} got through {successes} times, and was in flight at {allowed} disturbances\n{}",
                    self.told()
                );
            }
            for id in &arrived {
                assert!(
                    !party.refused.contains(id),
                    "{id} was refused, and came\n{}",
                    self.told()
                );
                assert!(
                    party.may_get(id),
                    "{id} came to {} and is not theirs",
                    party.customer
                );
            }
            if party.kind == Kind::Ordered {
                assert!(
                    party.is_in_order(&firsts),
                    "out of order: {firsts:?}\n{}",
                    self.told()
                );
            }
        }
    }
}

//! Checks the signatures of kept requests again when the secrets of a scope change.

use std::{ops::RangeInclusive, sync::Arc};

use crate::{
    answer::Asked, diagnosis::Diagnosis, polis::Polis, record::Record, scope::Scope,
    store::ChangeKind,
};

/// Checks every kept request of the scope again, and returns how many results changed.
pub(crate) async fn diagnose_kept(polis: &Arc<Polis>, scope: &Arc<Scope>) -> usize {
    let check = scope.settings();
    let newest = polis
        .store
        .newest_first()
        .first()
        .map_or(0, |record| record.id);
    let mut changed = 0;
    // Requests that were on their way into the store under the previous check are there at the second look.
    for ids in [0..=newest, newest + 1..=u64::MAX] {
        for (id, diagnosis) in differing(polis, scope, ids).await {
            if scope.settings().verification != check.verification {
                // A newer change of the secrets takes precedence.
                return changed;
            }
            let change = |record: &mut Record| record.diagnosis = diagnosis;
            let kept = polis.store.changed(id, ChangeKind::Diagnosed, change);
            changed += usize::from(kept.await);
        }
    }
    changed
}

/// Those of the requests with these ids whose check now differs from the kept result.
async fn differing(
    polis: &Arc<Polis>,
    scope: &Arc<Scope>,
    ids: RangeInclusive<u64>,
) -> Vec<(u64, Option<Diagnosis>)> {
    let (searched, of) = (Arc::clone(polis), Arc::clone(scope));
    // The search for an explanation takes time, so it does not run on a thread that answers senders.
    let found = tokio::task::spawn_blocking(move || {
        let kept = searched.store.newest_first().into_iter();
        kept.filter(|record| record.scope == of.name && ids.contains(&record.id))
            .filter_map(|record| {
                let diagnosis = diagnosed(&searched, &of, &record);
                (diagnosis != record.diagnosis).then_some((record.id, diagnosis))
            })
            .collect()
    });
    found.await.unwrap_or_else(|error| {
        tracing::error!(%error, scope = %scope.name, "the check of the kept requests ended early");
        Vec::new()
    })
}

/// The result of the scope's check for a request that came earlier.
pub(crate) fn diagnosed(polis: &Polis, scope: &Scope, record: &Record) -> Option<Diagnosis> {
    let head = record.head.as_ref().filter(|_| record.problem.is_none())?;
    let asked = Asked::new(head, &record.body);
    // A request that only asks whether polis is up is a webhook only if it was treated as one.
    let is_probe = asked.is_probe() && record.diagnosis.is_none();
    if asked.is_preflight() || is_probe {
        return None;
    }
    polis
        .scopes
        .diagnosis(scope, head, &record.body, record.received_at)
}

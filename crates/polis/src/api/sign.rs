//! Prepares a captured request for somebody else to send again: the secrets stay here.

use axum::{
    Json,
    extract::{Path, State},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::{
    error::ApiError,
    replay::{Replay, outgoing, signer},
    shared::Shared,
};
use crate::{diagnosis::Preset, outbound::Outgoing};

/// A request that was signed but not sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Signed {
    pub(crate) preset: Preset,
    pub(crate) scope: String,
    pub(crate) method: String,
    pub(crate) target_base64: String,
    pub(crate) headers_base64: Vec<(String, String)>,
    pub(crate) body_base64: String,
}

pub(super) async fn sign(
    State(shared): State<Shared>,
    Path(id): Path<u64>,
    Json(mut replay): Json<Replay>,
) -> Result<Json<Signed>, ApiError> {
    let record = shared.record(id)?;
    replay.resign = true;
    let (_, signed) = outgoing(&shared, &record, &replay)?;
    let signer = signer(&shared, &record).map_err(|fault| ApiError::Invalid(vec![fault]))?;
    let encoded = |(name, value): &(String, Vec<u8>)| (name.clone(), STANDARD.encode(value));
    Ok(Json(Signed {
        preset: signer.preset,
        scope: record.scope.to_string(),
        method: signed.method,
        target_base64: STANDARD.encode(&signed.target),
        headers_base64: signed.headers.iter().map(encoded).collect(),
        body_base64: STANDARD.encode(&signed.body),
    }))
}

impl Signed {
    /// The request to send; `None` if a part is not base64.
    pub(crate) fn outgoing(self) -> Option<Outgoing> {
        let decoded = |text: &str| STANDARD.decode(text).ok();
        Some(Outgoing {
            target: decoded(&self.target_base64)?,
            headers: (self.headers_base64.into_iter())
                .map(|(name, value)| Some((name, decoded(&value)?)))
                .collect::<Option<_>>()?,
            body: decoded(&self.body_base64)?.into(),
            method: self.method,
        })
    }
}

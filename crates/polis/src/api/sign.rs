//! A captured request made ready to be sent again by somebody else: the secrets stay here.

use axum::{
    Json,
    extract::{Path, Query as Params, State},
    http::HeaderMap,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::{
    Replay, Shared,
    error::ApiError,
    query::Query,
    replay::{outgoing, signer},
    requests::visible,
};
use crate::{diagnosis::Preset, outbound::Outgoing};

/// A request that was signed and not sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Signed {
    /// Whose signature.
    pub preset: Preset,
    /// The scope whose secret signed.
    pub scope: String,
    /// The method.
    pub method: String,
    /// Path and query, base64.
    pub target_base64: String,
    /// Names, and values in base64, with `Host` and without framing.
    pub headers_base64: Vec<(String, String)>,
    /// The body, base64.
    pub body_base64: String,
}

pub(super) async fn sign(
    State(shared): State<Shared>,
    Path(id): Path<u64>,
    Params(query): Params<Query>,
    headers: HeaderMap,
    Json(mut replay): Json<Replay>,
) -> Result<Json<Signed>, ApiError> {
    let record = visible(&shared, id, &query, &headers)?;
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
    /// The request to send; `None` when a part is not base64.
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

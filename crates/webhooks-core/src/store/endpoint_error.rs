//! Why an endpoint could not be added, changed or read.

use super::error::StoreError;
use crate::{
    endpoint::{
        ENDPOINTS_PER_CUSTOMER_MAX, EndpointId, SECRETS_MAX, settings::EndpointSettingsError,
    },
    event::EventError,
    model::endpoint::{EndpointOf, StateConflict},
};

/// An endpoint could not be added, changed or read.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// The customer id is not valid.
    #[error(transparent)]
    Customer(#[from] EventError),
    /// The URL may not be sent to.
    #[error(transparent)]
    Address(#[from] crate::address::refusal::AddressRefusal),
    /// A setting is out of range.
    #[error(transparent)]
    Settings(#[from] EndpointSettingsError),
    /// The secret can verify but not sign.
    #[error(
        "the secret is a public key (whpk_): give the signing key (whsk_) or a shared secret (whsec_)"
    )]
    CannotSign,
    /// The customer has no such endpoint.
    #[error("customer {customer:?} has no endpoint {id}")]
    Unknown {
        /// The customer asked for.
        customer: String,
        /// The endpoint asked for.
        id: EndpointId,
    },
    /// The customer has [`ENDPOINTS_PER_CUSTOMER_MAX`] endpoints already.
    #[error(
        "customer {0:?} already has {ENDPOINTS_PER_CUSTOMER_MAX} endpoints, which is the limit"
    )]
    TooMany(String),
    /// The endpoint is disabled, and this would not enable it.
    #[error("endpoint {id} is disabled ({reason}); enable it first")]
    Disabled {
        /// The endpoint asked for.
        id: EndpointId,
        /// Why it is disabled.
        reason: String,
    },
    /// The endpoint is paused, and this would not resume it.
    #[error("endpoint {0} is paused, not disabled; resume it")]
    Paused(EndpointId),
    /// [`SECRETS_MAX`] secrets sign already.
    #[error(
        "this endpoint already has {SECRETS_MAX} secrets that sign, which is the limit; end one, or wait until the grace period of one is over"
    )]
    TooManySecrets,
    /// The endpoint has no secret of this number, or no longer.
    #[error("endpoint {id} has no secret {number}")]
    UnknownSecret {
        /// The endpoint asked for.
        id: EndpointId,
        /// The secret asked for.
        number: u32,
    },
    /// The newest secret signs until another one replaces it.
    #[error(
        "secret {number} is the newest of endpoint {id} and cannot be ended; rotate it instead"
    )]
    NewestSecret {
        /// The endpoint asked for.
        id: EndpointId,
        /// The secret asked for.
        number: u32,
    },
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl std::fmt::Debug for EndpointError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // What `main` prints is for the operator.
            Self::Address(refusal) => std::fmt::Debug::fmt(refusal, f),
            error => std::fmt::Display::fmt(error, f),
        }
    }
}

impl EndpointOf {
    /// The customer has no such endpoint.
    pub(super) fn unknown(&self) -> EndpointError {
        EndpointError::Unknown {
            customer: self.customer.clone(),
            id: self.id.clone(),
        }
    }
}

impl StateConflict {
    /// The conflict as an error about one endpoint.
    pub(super) fn of(self, id: &EndpointId) -> EndpointError {
        let id = id.clone();
        match self {
            Self::Disabled(reason) => EndpointError::Disabled { id, reason },
            Self::Paused => EndpointError::Paused(id),
        }
    }
}

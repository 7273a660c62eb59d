//! Webhooks inside your own process: stored before acknowledged, signed, delivered, retried.

#[cfg(feature = "sqlite")]
mod activity;
mod address;
mod attempt;
#[cfg(feature = "sqlite")]
mod builder;
mod clock;
#[cfg(feature = "sqlite")]
mod delivery;
#[cfg(feature = "sqlite")]
mod endpoint;
#[cfg(feature = "sqlite")]
mod endpoints;
#[cfg(feature = "sqlite")]
mod engine;
mod event;
#[cfg(feature = "receive")]
pub mod receive;
mod retry;
#[cfg(feature = "sqlite")]
mod seal;
mod secret;
#[cfg(feature = "sqlite")]
mod sender;
pub mod signature;
#[cfg(feature = "sqlite")]
mod store;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "sqlite")]
mod transaction;
#[cfg(feature = "sqlite")]
mod webhooks;

#[cfg(feature = "sqlite")]
pub use activity::{ACTIVITY_BUFFER, Activities, Activity, Next, What};
#[cfg(feature = "sqlite")]
pub use address::GuardedResolver;
pub use address::{
    AddressPolicy, AddressRefusal, Credentials, Embedding, NetworkError, hide_credentials,
    refusal_in, split_credentials,
};
pub use attempt::{
    Attempt, Failure, Outcome, RESPONSE_BYTES_MAX, RESPONSE_HEAD_BYTES, RESPONSE_HEADERS_BYTES,
};
#[cfg(feature = "sqlite")]
pub use builder::{Builder, DISABLE_AFTER_DEFAULT, RETENTION_DEFAULT};
pub use clock::{Clock, SystemClock};
#[cfg(feature = "sqlite")]
pub use delivery::{Delivery, DeliveryState, Ending, Explanation, Held};
#[cfg(feature = "sqlite")]
pub use endpoint::{
    AddedEndpoint, EVENT_TYPES_MAX, Endpoint, EndpointId, EndpointSettingsError, EndpointState,
    IN_FLIGHT_DEFAULT, IN_FLIGHT_MAX, NewEndpoint, OWN_HEADERS_BYTES_MAX, OWN_HEADERS_MAX,
};
#[cfg(feature = "sqlite")]
pub use endpoints::{Endpoints, ROTATION_GRACE_DEFAULT};
pub use event::{
    CUSTOMER_BYTES_MAX, EVENT_BYTES_MAX, EVENT_ID_BYTES_MAX, EVENT_TYPE_BYTES_MAX, Event,
    EventError,
};
pub use retry::{ATTEMPTS_MAX, RETRY_AFTER_MAX, RetrySchedule, RetryScheduleError};
pub use secret::{Secret, SecretError, SecretKind, SharedSecret};
#[cfg(feature = "sqlite")]
pub use sender::TIME_LIMIT_DEFAULT;
#[cfg(feature = "sqlite")]
pub use store::{
    StoreError,
    manage::{ENDPOINTS_PER_CUSTOMER_MAX, EndpointError, SECRETS_MAX},
    read::{Cursor, Listing, PAGE_MAX, Page},
    replay::{DeliveryError, Replay, ReplayOutcome},
    schema::{Durability, OpenError},
};
#[cfg(feature = "sqlite")]
pub use transaction::{Transaction, TransactionError};
#[cfg(feature = "sqlite")]
pub use webhooks::{Owed, SEND_ALL_BYTES_MAX, SEND_ALL_MAX, SendError, Sent, Webhooks};

//! webhooks-core.

//! polis.

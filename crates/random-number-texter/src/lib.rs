//! random-number-texter.

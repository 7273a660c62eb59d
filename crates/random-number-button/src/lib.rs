//! random-number-button.

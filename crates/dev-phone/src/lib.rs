//! dev-phone.

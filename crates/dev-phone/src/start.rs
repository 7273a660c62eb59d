//! Starts a phone, which continues what the last one left under way.

use crate::phone::{Config, Phone, StartError};

impl Phone {
    /// Sets a phone up. Call it within a tokio runtime: kept texts that were under way continue.
    ///
    /// # Errors
    /// [`StartError`] says which file or setting to change.
    pub fn new(config: Config) -> Result<Self, StartError> {
        let (phone, under_way) = Self::set_up(config)?;
        for message in under_way {
            phone.go_on(message);
        }
        Ok(phone)
    }
}

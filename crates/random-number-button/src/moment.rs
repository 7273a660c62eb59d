//! A time as the page shows it: UTC until the browser's script converts it to local time.

use std::time::SystemTime;

use jiff::Timestamp;

/// A point in time, to the millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment(Timestamp);

impl Moment {
    /// The moment of `at`; a time outside the calendar's range is shown as its edge.
    pub(crate) fn new(at: SystemTime) -> Self {
        Self(Timestamp::try_from(at).unwrap_or(Timestamp::MAX))
    }

    /// For the `datetime` attribute.
    pub(crate) fn machine(&self) -> String {
        self.0.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
    }

    /// For a log: the time of day on this machine.
    pub(crate) fn local(&self) -> String {
        let zoned = self.0.to_zoned_datetime(jiff::tz::TimeZone::system());
        zoned.strftime("%H:%M:%S").to_string()
    }

    /// For people.
    pub(crate) fn human(&self) -> String {
        self.0.strftime("%H:%M:%S UTC").to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_moment_is_written_for_machines_and_for_people() {
        let moment = Moment::new(SystemTime::UNIX_EPOCH + Duration::from_millis(86_399_007));
        assert_eq!(moment.machine(), "1970-01-01T23:59:59.007Z");
        assert_eq!(moment.human(), "23:59:59 UTC");
    }
}

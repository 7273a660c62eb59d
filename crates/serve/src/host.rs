//! The variable HOST: the address that a program listens on.
//!
//! Shells and conda set a variable of this name to the machine's name or to a compiler's target,
//! which must not stop a program. A flag, however, is always deliberate.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    str::FromStr,
};

/// An address to listen on: an IP address, or `localhost`, which is 127.0.0.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// The address.
    pub address: IpAddr,
    /// The value of HOST that is not an address; [`bind`](crate::bind) logs it.
    pub ignored: Option<IgnoredHost>,
}

/// HOST is not an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoredHost(String);

/// A text that is neither an IP address nor `localhost`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it must be an IP address like 127.0.0.1, or localhost")]
pub struct HostError;

impl Host {
    /// The address in the variable HOST; any other value counts as not set.
    #[must_use]
    pub fn of_variable(value: Option<&str>) -> Self {
        let given = value.map(str::trim).filter(|text| !text.is_empty());
        match given.map(|text| (text, text.parse())) {
            None => Self::default(),
            Some((_, Ok(host))) => host,
            Some((text, Err(HostError))) => Self {
                ignored: Some(IgnoredHost(text.to_owned())),
                ..Self::default()
            },
        }
    }
}

impl Default for Host {
    fn default() -> Self {
        IpAddr::from(Ipv4Addr::LOCALHOST).into()
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        Self {
            address,
            ignored: None,
        }
    }
}

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        match text {
            "localhost" => Ok(Self::default()),
            text => text
                .parse::<IpAddr>()
                .map(Self::from)
                .map_err(|_| HostError),
        }
    }
}

impl fmt::Display for IgnoredHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ignoring HOST, which is {:?} and not an address to listen on; set it to an IP address to choose where to listen",
            self.0
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_a_shell_or_conda_sets_is_ignored_and_said() {
        for name in ["x86_64-conda-linux-gnu", "mymachine", "256.1.1.1"] {
            let host = Host::of_variable(Some(name));
            assert_eq!(host.address, Ipv4Addr::LOCALHOST);
            assert!(host.ignored.unwrap().to_string().contains(name));
            assert_eq!(name.parse::<Host>(), Err(HostError));
        }
    }

    #[test]
    fn addresses_and_localhost_are_meant() {
        for (text, address) in [
            (None, "127.0.0.1"),
            (Some(""), "127.0.0.1"),
            (Some(" localhost "), "127.0.0.1"),
            (Some("0.0.0.0"), "0.0.0.0"),
            (Some("::1"), "::1"),
        ] {
            let host = Host::of_variable(text);
            assert_eq!(host.address.to_string(), address);
            assert_eq!(host.ignored, None);
        }
    }
}

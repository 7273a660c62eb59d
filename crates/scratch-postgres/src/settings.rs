//! How a server is configured.

/// What a server is started with.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// In the order in which they were set: the later of two with the same name counts.
    parameters: Vec<(String, String)>,
    pub(crate) identity: Option<Box<Identity>>,
}

/// The certificate and key with which a server identifies itself.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Settings {
    /// The server's own defaults: what is committed survives a crash of the machine.
    #[must_use]
    pub fn durable() -> Self {
        Self::default()
    }

    /// Nothing waits for the disk: what is committed survives a crash of the server, but not of the
    /// machine.
    #[must_use]
    pub fn quick() -> Self {
        Self::default()
            .set("fsync", "off")
            .set("full_page_writes", "off")
    }

    /// Sets a parameter of postgresql.conf.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.parameters.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Offers TLS, with this certificate and its key, as PEM.
    #[must_use]
    pub fn with_tls(mut self, certificate: String, key: String) -> Self {
        self.identity = Some(Box::new(Identity { certificate, key }));
        self.set("ssl", "on")
    }

    /// The settings as arguments of `postgres`.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = String> {
        let each = self.parameters.iter();
        each.flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")])
    }
}

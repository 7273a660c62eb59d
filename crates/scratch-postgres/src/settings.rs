//! How a server is configured.

/// What a server is started with.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// In the order they were set: of two for one name the later counts.
    parameters: Vec<(String, String)>,
    pub(crate) identity: Option<Box<Identity>>,
}

/// By what a server says who it is.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Settings {
    /// The server's own defaults: what is committed survives the machine.
    #[must_use]
    pub fn durable() -> Self {
        Self::default()
    }

    /// Nothing waits for the disk: what is committed survives the server, not the machine.
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

    /// Speaks TLS with whoever asks for it, with this certificate and its key, as PEM.
    #[must_use]
    pub fn with_tls(mut self, certificate: String, key: String) -> Self {
        self.identity = Some(Box::new(Identity { certificate, key }));
        self.set("ssl", "on")
    }

    /// As arguments of `postgres`.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = String> {
        let each = self.parameters.iter();
        each.flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")])
    }
}

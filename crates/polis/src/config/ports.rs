//! The two ports, read in the same way by the polis that listens on them and by the verbs that look for it.
//!
//! The verbs read nothing else: a wrong secret or rule is no reason to refuse to talk to a running
//! polis.

use serde::Deserialize;
use serve::{Faults, Layers, SettingsError, Surroundings};

use super::file::read_file;
use crate::answer::NumberOrText;

/// The port of the original polis.
const PORT: u16 = 9000;

/// The variables that say where to look for polis.
const VARIABLES: [&str; 3] = ["PORT", "UI_PORT", "POLIS_API"];

/// Where polis listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ports {
    /// The capturing port; 0 for a free one.
    pub(crate) port: u16,
    /// The port of page and API; `None` for the one after `port`.
    pub(crate) ui_port: Option<u16>,
}

/// The ports as written in one place: the flags or the file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Written {
    pub(super) port: Option<NumberOrText>,
    pub(super) ui_port: Option<NumberOrText>,
}

impl Default for Ports {
    fn default() -> Self {
        Self {
            port: PORT,
            ui_port: None,
        }
    }
}

impl Ports {
    /// The port of page and API; 0 for a free one.
    pub(crate) fn page(self) -> u16 {
        self.ui_port.unwrap_or(match self.port {
            0 => 0,
            port => port.saturating_add(1),
        })
    }

    /// The ports of a polis that is started here without flags.
    ///
    /// # Errors
    /// [`SettingsError`] if a port is wrong, or if a file that could contain one cannot be read.
    pub(crate) fn read(around: &Surroundings) -> Result<Self, SettingsError> {
        let mut faults = Faults(around.faults_about(&VARIABLES));
        let (file, file_name) = read_file::<Written>(None, &mut faults);
        let layers = Layers {
            around,
            file_name: &file_name,
        };
        let ports = Self::pick(&layers, (None, None), file, &mut faults);
        faults.none()?;
        Ok(ports)
    }

    /// Reads all layers; `flags` are those of the two ports.
    pub(super) fn pick(
        layers: &Layers<'_>,
        flags: (Option<String>, Option<String>),
        file: Written,
        faults: &mut Faults,
    ) -> Self {
        let due = "a port is a number from 0 to 65535";
        let text = |value: Option<NumberOrText>| value.map(|value| value.to_string());
        let port = layers.pick("--port", flags.0, "PORT", "port", text(file.port));
        let port = faults
            .read(port, due, |text| text.parse().ok())
            .unwrap_or(PORT);
        let ui_port = layers.pick(
            "--ui-port",
            flags.1,
            "UI_PORT",
            "ui_port",
            text(file.ui_port),
        );
        let ui_port: Option<u16> = faults.read(ui_port, due, |text| text.parse().ok());
        if ui_port.is_none() && port == u16::MAX {
            faults.add("PORT is 65535, so UI_PORT cannot be the next port; set UI_PORT");
        }
        if ui_port == Some(port) && port != 0 {
            faults.add(format!(
                "PORT and UI_PORT are both {port}; they must differ"
            ));
        }
        Self { port, ui_port }
    }
}

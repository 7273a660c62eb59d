//! Which setting says the statuses of answers: `respond` or `status_code`.
//!
//! Both say the same thing, so only one counts: that of the uppermost layer. The other is never
//! ignored in silence.

use super::layers::{Faults, Given, Layers, text};
use crate::answer::NumberOrText;

/// Both settings, as they were written in one place.
pub(super) struct Statuses<T> {
    pub(super) respond: Option<T>,
    pub(super) status_code: Option<T>,
}

impl Statuses<NumberOrText> {
    fn given(self, layers: &Layers<'_>) -> Statuses<Given> {
        let in_file = |key: &str, value: Option<NumberOrText>| {
            text(value).map(|value| Given::new(format!("{key} in {}", layers.file_name), value))
        };
        Statuses {
            respond: in_file("respond", self.respond),
            status_code: in_file("status_code", self.status_code),
        }
    }
}

impl Statuses<String> {
    fn given(self) -> Statuses<Given> {
        Statuses {
            respond: self.respond.map(|value| Given::new("--respond", value)),
            status_code: self
                .status_code
                .map(|value| Given::new("--status-code", value)),
        }
    }
}

/// The setting that counts; a fault when one layer has both.
pub(super) fn pick(
    layers: &Layers<'_>,
    flags: Statuses<String>,
    file: Statuses<NumberOrText>,
    faults: &mut Faults,
    warnings: &mut Vec<String>,
) -> Option<Given> {
    let variable = Statuses {
        respond: None,
        status_code: layers.around.variable("STATUS_CODE"),
    };
    let mut picked: Option<(bool, Given)> = None;
    for layer in [flags.given(), variable, file.given(layers)] {
        if let (Some(respond), Some(status_code)) = (&layer.respond, &layer.status_code) {
            faults.add(format!(
                "{} and {} both say what is answered; give one",
                respond.source, status_code.source
            ));
        }
        let respond = layer.respond.map(|given| (true, given));
        let status_code = layer.status_code.map(|given| (false, given));
        let Some((is_respond, given)) = respond.or(status_code) else {
            continue;
        };
        match &picked {
            None => picked = Some((is_respond, given)),
            // That a layer is over the same setting below it is what layers are for.
            Some((same, _)) if *same == is_respond => {}
            Some((_, over)) => warnings.push(format!(
                "{} is ignored: {} says what is answered",
                given.source, over.source
            )),
        }
    }
    picked.map(|(_, given)| given)
}

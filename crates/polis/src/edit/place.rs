//! How a value inside a body is named, and why no value has that name.

/// Maximum number of names in a place. Each costs a pass over the content of the previous one;
/// serde_json itself reads no deeper.
const STEPS: usize = 128;

/// A place in a JSON text: `data`, `items.0.name`. A dot that is part of a name is written `\.`
/// and a backslash before a dot `\\`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place(Vec<String>);

/// Why there is no such place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlaceError {
    #[error("there is no {0}; set it together with its content")]
    Missing(String),
    #[error("{place} is {found}, which has no {step:?} in it")]
    NotInside {
        place: String,
        /// What is there.
        found: &'static str,
        step: String,
    },
    #[error("{place} is a list of length {count}; it has no item {step:?}, counted from 0")]
    NotItem {
        place: String,
        count: usize,
        step: String,
    },
    #[error("the place has {0} names; the limit is {STEPS}")]
    Deep(usize),
}

impl Place {
    /// Reads a place.
    ///
    /// # Errors
    /// [`PlaceError::Deep`] when it has too many names.
    pub(super) fn parse(text: &str) -> Result<Self, PlaceError> {
        let mut steps = Vec::new();
        let mut step = String::new();
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                '.' => steps.push(std::mem::take(&mut step)),
                '\\' => {
                    let plain = letters.next_if(|next| matches!(next, '.' | '\\'));
                    step.push(plain.unwrap_or('\\'));
                }
                letter => step.push(letter),
            }
        }
        steps.push(step);
        match steps.len() {
            0..=STEPS => Ok(Self(steps)),
            count => Err(PlaceError::Deep(count)),
        }
    }

    /// The names on the path; there is at least one.
    pub(super) fn steps(&self) -> &[String] {
        &self.0
    }

    /// The first `count` names as they are written, with `body` before them.
    pub(super) fn first(&self, count: usize) -> String {
        let mut shown = "body".to_owned();
        for step in &self.0[..count] {
            shown.push('.');
            shown.push_str(&name_in_place(step));
        }
        shown
    }
}

/// A name as it is written in a place.
pub(crate) fn name_in_place(name: &str) -> String {
    name.replace('\\', "\\\\").replace('.', "\\.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_survives_being_written_in_a_place() {
        for name in ["a", "a.b", "a.b\\", "\\.", "\\\\", ""] {
            let place = Place::parse(&format!("{0}.{0}", name_in_place(name))).unwrap();
            assert_eq!(place.steps(), [name, name]);
        }
        assert_eq!(Place::parse("a\\b").unwrap().steps(), ["a\\b"]);
    }

    #[test]
    fn places_are_bounded() {
        assert!(Place::parse(&["0"; STEPS].join(".")).is_ok());
        assert_eq!(
            Place::parse(&["0"; STEPS + 1].join(".")),
            Err(PlaceError::Deep(STEPS + 1))
        );
    }
}

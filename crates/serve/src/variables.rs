//! A program's settings, read from variables in one pass that collects everything that is wrong.

use std::{
    collections::HashMap,
    fmt::{self, Display},
    str::FromStr,
};

use crate::{
    frame::{FRAME_ORIGIN_VARIABLE, FrameOrigin},
    host::Host,
    numbered::numbered,
    pages::{PAGES_VARIABLE, Pages},
    surroundings::Surroundings,
};

/// Where variables are looked up, and what turned out to be wrong with them.
///
/// Values are trimmed, and an empty one counts as not set: that is what shells and `.env` files
/// give for a variable that was left blank.
///
/// ```
/// let found = |name: &str| (name == "PORT").then(|| "many".to_owned());
/// let wrong = serve::Variables::of(found).read(|variables| {
///     let port = variables.port(8080);
///     let name = variables.required("NAME", |text| Ok(text.to_owned()));
///     Some((port, name?))
/// });
/// assert_eq!(
///     wrong.unwrap_err().to_string(),
///     "2 settings are wrong (--help explains them):\n  \
///      PORT is \"many\"; it must be a port, 0 to 65535\n  \
///      NAME is not set",
/// );
/// ```
pub struct Variables<'a> {
    look_up: LookUp<'a>,
    flags: HashMap<&'static str, String>,
    wrong: Vec<String>,
}

type LookUp<'a> = Box<dyn Fn(&str) -> Option<String> + 'a>;

/// All the settings that are wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} wrong (--help explains {}):\n  {}", count(.0), them(.0), .0.join("\n  "))]
pub struct SettingsError(pub(crate) Vec<String>);

fn count(wrong: &[String]) -> String {
    match wrong.len() {
        1 => "a setting is".to_owned(),
        more => format!("{more} settings are"),
    }
}

fn them(wrong: &[String]) -> &'static str {
    if wrong.len() == 1 { "it" } else { "them" }
}

impl Variables<'static> {
    /// The variables of this process or, where it has none, of the file `.env` in its directory.
    #[must_use]
    pub fn of_process() -> Self {
        let around = Surroundings::of_process();
        let wrong = around.faults();
        let mut variables = Self::of(move |name| around.variable(name).map(|given| given.value));
        variables.wrong = wrong;
        variables
    }
}

impl<'a> Variables<'a> {
    /// The variables that `look_up` finds.
    pub fn of(look_up: impl Fn(&str) -> Option<String> + 'a) -> Self {
        Self {
            look_up: Box::new(look_up),
            flags: HashMap::new(),
            wrong: Vec::new(),
        }
    }

    /// Lets a flag, when it is given, override the variable `name`.
    pub fn set_by_flag(&mut self, name: &'static str, flag: Option<String>) {
        self.flags.extend(flag.map(|value| (name, value)));
    }

    /// The settings that `read` makes of the variables.
    ///
    /// # Errors
    /// [`SettingsError`] names everything that is wrong, even when `read` returned settings.
    pub fn read<T>(
        mut self,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Result<T, SettingsError> {
        match read(&mut self) {
            Some(settings) if self.wrong.is_empty() => Ok(settings),
            _ => Err(SettingsError(self.wrong)),
        }
    }

    /// Records what is wrong, as a sentence that begins with the variable's name.
    pub fn is_wrong(&mut self, sentence: impl Into<String>) {
        self.wrong.push(sentence.into());
    }

    /// The value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        let flag = self.flags.get(name).cloned();
        let found = flag.or_else(|| (self.look_up)(name))?;
        Some(found.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// The values of `name`, `name_1` … `name_99`: see [`numbered`].
    #[must_use]
    pub fn numbered(&self, name: &str) -> Vec<String> {
        numbered(name, |name| self.get(name))
    }

    /// The comma-separated parts of `name`.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<String> {
        let given = self.get(name).unwrap_or_default();
        let parts = given.split(',').map(str::trim);
        let parts = parts.filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect()
    }

    /// `name` as `parse` reads it; `None` when it is not set or wrong. The error continues after
    /// the name: `is …; it must be …`, without the value where that may be a secret.
    pub fn optional<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        match parse(&self.get(name)?) {
            Ok(value) => Some(value),
            Err(wrong) => {
                self.is_wrong(format!("{name} {wrong}"));
                None
            }
        }
    }

    /// Like [`optional`](Self::optional), but not being set is wrong, too.
    pub fn required<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if self.get(name).is_none() {
            self.is_wrong(format!("{name} is not set"));
        }
        self.optional(name, parse)
    }

    /// `name` as its type parses it; `default` when it is not set. The error includes the value.
    pub fn parsed<T: FromStr<Err: Display>>(&mut self, name: &str, default: T) -> T {
        let parse = |text: &str| {
            text.parse()
                .map_err(|error| format!("is {text:?}: {error}"))
        };
        self.optional(name, parse).unwrap_or(default)
    }

    /// The variable PORT.
    pub fn port(&mut self, default: u16) -> u16 {
        let parse = |text: &str| {
            text.parse()
                .map_err(|_| format!("is {text:?}; it must be a port, 0 to 65535"))
        };
        self.optional("PORT", parse).unwrap_or(default)
    }

    /// The variable HOST. A value that is not an address is ignored, since shells and conda set
    /// such values; from a flag it is an error.
    pub fn host(&mut self) -> Host {
        if self.flags.contains_key("HOST") {
            return self.parsed("HOST", Host::default());
        }
        Host::of_variable(self.get("HOST").as_deref())
    }

    /// The variable [`PAGES_VARIABLE`].
    pub fn pages(&mut self) -> Pages {
        self.parsed(PAGES_VARIABLE, Pages::default())
    }

    /// The variable FRAME_ORIGIN.
    pub fn frame_origin(&mut self) -> Option<FrameOrigin> {
        let given = self.get(FRAME_ORIGIN_VARIABLE)?;
        FrameOrigin::parse(&given)
            .map_err(|error| self.is_wrong(error.to_string()))
            .ok()
    }
}

impl fmt::Debug for Variables<'_> {
    /// Shows only names: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variables")
            .field("flags", &self.flags.keys())
            .field("wrong", &self.wrong.len())
            .finish_non_exhaustive()
    }
}

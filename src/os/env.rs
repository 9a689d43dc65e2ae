//! The environment. Nothing else reads it, except gix, which reads the variables of git.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// A copy of the process's environment variables, taken once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// The variables of this process.
    #[allow(clippy::disallowed_methods, reason = "this is the place where the environment is read")]
    pub(crate) fn current() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// The value of a variable, unless it is empty.
    pub(crate) fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// [`Self::get`] as text; bytes that are not UTF-8 are replaced.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(|value| value.to_string_lossy().into_owned())
    }

    /// Whether a variable is set to the empty string, which has a meaning for some variables of
    /// git.
    pub(crate) fn is_set_empty(&self, name: &str) -> bool {
        self.0.get(OsStr::new(name)).is_some_and(|value| value.is_empty())
    }

    /// The names of all variables that are not empty.
    pub(crate) fn names(&self) -> impl Iterator<Item = &OsStr> {
        self.0.iter().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name.as_os_str())
    }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

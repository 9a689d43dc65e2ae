//! Variables of workflows and pipelines: those of a step shadow those of its job, and these those
//! of the file.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::formats::shell::{Lookup, Resolved, Variable, expand};
use crate::models::{Scalar, StringMap};

/// The top of the work tree in an expanded path. No path contains a NUL byte.
pub(super) const TOP: &str = "\0";

/// The variables whose value is the top of the work tree.
const TOPS: [&str; 7] = [
    "github.workspace",
    "gitea.workspace",
    "forgejo.workspace",
    "GITHUB_WORKSPACE",
    "GITEA_WORKSPACE",
    "FORGEJO_WORKSPACE",
    "CI_PROJECT_DIR",
];

static TOP_VARIABLE: LazyLock<Variable> =
    LazyLock::new(|| Variable { text: TOP.to_owned(), span: 0..0 });

/// A variable whose value is the directory that a file configures.
pub(super) fn top() -> Lookup<'static> {
    Lookup::Set(&TOP_VARIABLE)
}

/// The variables of one scope.
#[derive(Debug, Default)]
pub(super) struct VariableScope<'o> {
    /// `None` for a value that is known only at run time.
    own: HashMap<String, Option<Variable>>,
    outer: Option<&'o VariableScope<'o>>,
}

impl VariableScope<'_> {
    pub(super) fn new(own: impl IntoIterator<Item = (String, Option<Variable>)>) -> Self {
        Self { own: own.into_iter().collect(), outer: None }
    }

    /// An inner scope with the variables of a map.
    pub(super) fn with(&self, map: &StringMap) -> VariableScope<'_> {
        VariableScope { own: variables(map).collect(), outer: Some(self) }
    }

    /// An inner scope in which the values of some variables are unknown.
    pub(super) fn without(&self, names: impl Iterator<Item = String>) -> VariableScope<'_> {
        VariableScope { own: names.map(|name| (name, None)).collect(), outer: Some(self) }
    }

    /// Looks up a variable; `env.V` in an expression is `V`.
    pub(super) fn lookup(&self, name: &str) -> Lookup<'_> {
        let name = name.strip_prefix("env.").unwrap_or(name);
        match (self.own.get(name), self.outer) {
            (Some(value), _) => value.as_ref().map_or(Lookup::Unknown, Lookup::Set),
            (None, Some(outer)) => outer.lookup(name),
            (None, None) if TOPS.contains(&name) => top(),
            (None, None) => Lookup::Unknown,
        }
    }

    /// Expands the variables of a value.
    pub(super) fn resolve(&self, value: &Scalar) -> Option<Resolved> {
        let (text, span) = (value.text()?.as_bytes(), value.span.clone());
        Some(expand(text, b'\\', span, &|name| self.lookup(name)))
    }
}

/// The entries of a map, as variables.
pub(super) fn variables(map: &StringMap) -> impl Iterator<Item = (String, Option<Variable>)> {
    map.iter().map(|(name, value)| (name.to_owned(), variable(value)))
}

/// A value that needs no expansion.
fn variable(value: &Scalar) -> Option<Variable> {
    let text = value.text().filter(|text| !text.contains(['$', '\'', '"', '\\', '`']))?;
    Some(Variable { text: text.to_owned(), span: value.span.clone() })
}

//! The variables of workflows and pipelines: those of a step hide those of its job, and these those
//! of the whole.

use std::collections::HashMap;

use crate::formats::shell::{Lookup, Resolved, Variable, expand};
use crate::models::{Scalar, StringMap};

/// What variables hold in one place. A value that is put together when it runs is not known.
#[derive(Debug, Default)]
pub(super) struct VariableScope<'o> {
    own: HashMap<String, Option<Variable>>,
    /// Those that hold unless there is one of the same name here.
    outer: Option<&'o VariableScope<'o>>,
}

impl VariableScope<'_> {
    /// The variables of a whole.
    pub(super) fn new(own: impl IntoIterator<Item = (String, Option<Variable>)>) -> Self {
        Self { own: own.into_iter().collect(), outer: None }
    }

    /// These, and those of a map within.
    pub(super) fn with(&self, map: &StringMap) -> VariableScope<'_> {
        VariableScope { own: variables(map).collect(), outer: Some(self) }
    }

    /// These, less some of which nothing is known.
    pub(super) fn without(&self, names: impl Iterator<Item = String>) -> VariableScope<'_> {
        VariableScope { own: names.map(|name| (name, None)).collect(), outer: Some(self) }
    }

    /// What is known of a variable. `env.V`, as expressions have it, is `V`.
    pub(super) fn lookup(&self, name: &str) -> Lookup<'_> {
        let name = name.strip_prefix("env.").unwrap_or(name);
        match (self.own.get(name), self.outer) {
            (Some(value), _) => value.as_ref().map_or(Lookup::Unknown, Lookup::Set),
            (None, Some(outer)) => outer.lookup(name),
            (None, None) => Lookup::Unknown,
        }
    }

    /// A value with its variables put in.
    pub(super) fn resolve(&self, value: &Scalar) -> Option<Resolved> {
        let (text, span) = (value.text()?.as_bytes(), value.span.clone());
        Some(expand(text, b'\\', span, &|name| self.lookup(name)))
    }
}

/// The entries of a map, as variables.
pub(super) fn variables(map: &StringMap) -> impl Iterator<Item = (String, Option<Variable>)> {
    map.iter().map(|(name, value)| (name.to_owned(), variable(value)))
}

/// A value that holds no variable itself.
fn variable(value: &Scalar) -> Option<Variable> {
    let text = value.text().filter(|text| !text.contains(['$', '\'', '"', '\\', '`']))?;
    Some(Variable { text: text.to_owned(), span: value.span.clone() })
}

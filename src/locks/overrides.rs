//! What `overrides` make of the dependencies of a project.

use std::collections::BTreeMap;

use crate::locks::settings::LockSettings;
use crate::pins::pin::{accepts, exact};

/// The spec of a dependency after the overrides.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Overridden {
    Same,
    Replaced(String),
    Removed,
    /// An override may or may not apply: one of these.
    OneOf(Vec<String>),
}

/// A selector: `[parent[@range]>]name[@range]`.
struct Selector<'s> {
    parent: Option<(&'s str, Option<&'s str>)>,
    name: &'s str,
    range: Option<&'s str>,
}

impl<'s> Selector<'s> {
    fn parse(text: &'s str) -> Self {
        // A `>` after a blank, `|` or `@` belongs to a range.
        let bytes = text.as_bytes();
        let is_end =
            |at: &usize| bytes[*at] == b'>' && !matches!(bytes[at - 1], b' ' | b'|' | b'@');
        let split = (1..bytes.len()).find(is_end);
        let (parent, child) =
            match split.and_then(|at| Some((text.get(..at)?, text.get(at + 1..)?))) {
                Some((parent, child)) => (Some(with_range(parent)), child),
                None => (None, text),
            };
        let (name, range) = with_range(child);
        Self { parent, name, range }
    }

    /// Whether it is for a dependency with this spec of the package `owner`; `None` if that is
    /// unknown.
    fn applies(&self, owner: (Option<&str>, Option<&str>), spec: &str) -> Option<bool> {
        let of_parent = match self.parent {
            Some((parent, _)) if Some(parent) != owner.0 => Some(false),
            None | Some((_, None)) => Some(true),
            Some((_, Some(range))) => owner.1.and_then(exact).and_then(|it| accepts(&it, range)),
        };
        let of_range = match self.range {
            None => Some(true),
            Some(range) if range == spec => Some(true),
            Some(range) => exact(spec).and_then(|version| accepts(&version, range)),
        };
        match (of_parent, of_range) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        }
    }
}

/// The name and the range of `name@range`.
fn with_range(text: &str) -> (&str, Option<&str>) {
    match text.rfind('@').filter(|at| *at > 0) {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..)),
        None => (text, None),
    }
}

/// The overrides of a workspace, by the names of the packages that they replace.
pub(super) struct Overrides<'s>(BTreeMap<&'s str, Vec<(Selector<'s>, &'s str)>>);

impl<'s> Overrides<'s> {
    pub(super) fn new(settings: &'s LockSettings) -> Self {
        let mut by_name: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for (text, value) in &settings.overrides {
            let selector = Selector::parse(text);
            by_name.entry(selector.name).or_default().push((selector, value.as_str()));
        }
        Self(by_name)
    }

    /// What they make of a dependency of the package `owner`, with its version.
    pub(super) fn apply(
        &self,
        owner: (Option<&str>, Option<&str>),
        name: &str,
        spec: &str,
    ) -> Overridden {
        let mut generic = Overridden::Same;
        let mut possible = Vec::new();
        for (selector, value) in self.0.get(name).into_iter().flatten() {
            match selector.applies(owner, spec) {
                Some(false) => {}
                Some(true) => {
                    let result = match *value {
                        "-" => Overridden::Removed,
                        value => Overridden::Replaced(value.to_owned()),
                    };
                    if selector.parent.is_some() {
                        return result;
                    }
                    generic = result;
                }
                None => possible.push((*value).to_owned()),
            }
        }
        if possible.is_empty() {
            return generic;
        }
        possible.push(match generic {
            Overridden::Replaced(spec) => spec,
            _ => spec.to_owned(),
        });
        Overridden::OneOf(possible)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_applies_to_a_name_a_range_and_a_parent() {
        let pairs =
            [("a", "1.0.0"), ("web>b", "2.0.0"), ("c@^1", "1.5.0"), ("d", "-"), ("e@>=2", "3")];
        let settings = LockSettings {
            overrides: pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            ..LockSettings::default()
        };
        let replaced = |text: &str| Overridden::Replaced(text.to_owned());
        for (owner, name, spec, expected) in [
            (None, "a", "^0.1", replaced("1.0.0")),
            (Some("web"), "b", "*", replaced("2.0.0")),
            (Some("api"), "b", "*", Overridden::Same),
            (None, "c", "^1", replaced("1.5.0")),
            (None, "c", "1.2.0", replaced("1.5.0")),
            (None, "c", "2.0.0", Overridden::Same),
            (None, "c", "~1.2", Overridden::OneOf(vec!["1.5.0".to_owned(), "~1.2".to_owned()])),
            (None, "d", "1", Overridden::Removed),
            (None, "e", "2.1.0", replaced("3")),
        ] {
            let found = Overrides::new(&settings).apply((owner, None), name, spec);
            assert_eq!(found, expected, "{name} {spec}");
        }
    }
}

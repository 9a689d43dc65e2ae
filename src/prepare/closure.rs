//! The packages of the sibling that a manifest needs.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::escape::Escaped;
use crate::formats::document::Node;
use crate::prepare::PackedManifest;

/// What the manifest of a product installs, and what a package brings with it.
const OF_PRODUCT: [&str; 4] =
    ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"];

/// The maximum number of packages that a chain names.
const LONGEST_CHAIN: usize = 12;

/// A package that would be asked from the registry, and who asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    pub name: String,
    /// From a manifest of the product to the package; safe to print.
    pub chain: String,
}

/// The packages in some scopes that the manifest of a product asks for, in any field.
pub(crate) fn asked(manifest: &Node, scopes: &BTreeSet<String>) -> BTreeSet<String> {
    let fields = OF_PRODUCT.iter().filter_map(|field| manifest.last(field));
    let entries = fields.flat_map(Node::entries);
    let entries = entries.filter_map(|(key, spec)| Some((key.text.as_str(), spec.text()?)));
    let named = entries.filter_map(|(name, spec)| package(name, spec));
    named.filter(|name| is_in(name, scopes)).map(str::to_owned).collect()
}

/// The package that a dependency installs: an alias names another one. `None` for one that no
/// registry is asked for.
fn package<'a>(name: &'a str, spec: &'a str) -> Option<&'a str> {
    if let Some(aliased) = spec.strip_prefix("npm:") {
        // The `@` of a scope is the first character.
        let version = aliased.get(1..).and_then(|rest| rest.find('@')).map(|at| at + 1);
        return Some(version.and_then(|at| aliased.get(..at)).unwrap_or(aliased));
    }
    let elsewhere = ["git:", "git+", "git@", "github:", "gitlab:", "bitbucket:", "http:", "https:"];
    (!elsewhere.iter().any(|start| spec.starts_with(start))).then_some(name)
}

/// Whether the name of a package has one of some scopes.
pub(crate) fn is_in(name: &str, scopes: &BTreeSet<String>) -> bool {
    scope(name).is_some_and(|scope| scopes.contains(scope))
}

/// The scope of a package, such as `@acme`.
pub(crate) fn scope(name: &str) -> Option<&str> {
    name.split_once('/').map(|(scope, _)| scope).filter(|scope| scope.starts_with('@'))
}

impl PackedManifest {
    /// The view of a manifest with this text.
    pub(crate) fn parse(root: &Node, text: &[u8]) -> Self {
        let map = |field: &str| {
            let entries = root.last(field).into_iter().flat_map(Node::entries);
            let known = entries.filter_map(|(key, spec)| Some((&key.text, spec.text()?)));
            known.map(|(name, spec)| (name.clone(), spec.to_owned())).collect()
        };
        let meta = root.last("peerDependenciesMeta").into_iter().flat_map(Node::entries);
        let is_true = |value: &Node| text.get(value.span.clone()) == Some(b"true");
        let optional = meta.filter(|(_, about)| about.last("optional").is_some_and(is_true));
        Self {
            dependencies: map("dependencies"),
            optional: map("optionalDependencies"),
            peers: map("peerDependencies"),
            optional_peers: optional.map(|(key, _)| key.text.clone()).collect(),
        }
    }

    /// The packages in some scopes that it brings with it. An optional peer is only used if another
    /// package asks for it.
    fn asked<'a>(&'a self, scopes: &'a BTreeSet<String>) -> impl Iterator<Item = &'a str> {
        let peers = self.peers.iter().filter(|(name, _)| !self.optional_peers.contains(*name));
        let all = self.dependencies.iter().chain(&self.optional).chain(peers);
        let named = all.filter_map(|(name, spec)| package(name, spec));
        named.filter(|name| is_in(name, scopes))
    }
}

/// The packages that are needed for some names, also through others. `from` is what asks for these
/// names, for the chain; `manifest` returns the manifest of a package of the sibling.
pub(crate) fn closure<'a>(
    from: &str,
    names: &BTreeSet<String>,
    scopes: &BTreeSet<String>,
    manifest: impl Fn(&str) -> Option<&'a PackedManifest>,
) -> Result<BTreeSet<String>, Missing> {
    // Who asked first, for each name.
    let mut asking: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut rest: Vec<(String, Option<String>)> =
        names.iter().rev().map(|name| (name.clone(), None)).collect();
    while let Some((name, by)) = rest.pop() {
        if asking.contains_key(&name) {
            continue;
        }
        asking.insert(name.clone(), by);
        let Some(manifest) = manifest(&name) else {
            let chain = chain(from, &name, &asking);
            return Err(Missing { name, chain });
        };
        let asked = manifest.asked(scopes).map(|asked| (asked.to_owned(), Some(name.clone())));
        rest.extend(asked);
    }
    Ok(asking.into_keys().collect())
}

/// `backend/package.json needs @acme/http, which needs @acme/gone`.
fn chain(from: &str, name: &str, asking: &BTreeMap<String, Option<String>>) -> String {
    let mut names = vec![name];
    while let Some(Some(by)) = names.last().and_then(|last| asking.get(*last)) {
        names.push(by);
    }
    names.reverse();
    if names.len() > LONGEST_CHAIN {
        names.drain(1..=names.len() - LONGEST_CHAIN);
    }
    let names: Vec<String> =
        names.iter().map(|name| Escaped(name.as_bytes()).to_string()).collect();
    format!("{from} needs {}", names.join(", which needs "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::{Syntax, parse};

    fn scopes() -> BTreeSet<String> {
        ["@acme".to_owned()].into()
    }

    fn json(text: &str) -> Node {
        parse(Syntax::Json, text.as_bytes()).unwrap()
    }

    #[test]
    fn every_field_asks_and_an_alias_names_another_package() {
        let manifest = json(
            r#"{"dependencies": {"@acme/a": "*", "logger": "npm:@acme/log@^1", "ms": "2",
                "@acme/ms": "npm:ms@2", "short": "npm:@acme/short", "@acme/g": "github:acme/g"},
                "devDependencies": {"@acme/b": "workspace:*", "@other/b": "1"},
                "optionalDependencies": {"@acme/c": "file:../c"},
                "peerDependencies": {"@acme/d": "catalog:", "@acme/e": 1},
                "config": {"dependencies": {"@acme/f": "1"}}}"#,
        );
        let names: Vec<String> = asked(&manifest, &scopes()).into_iter().collect();
        let expected = ["@acme/a", "@acme/b", "@acme/c", "@acme/d", "@acme/log", "@acme/short"];
        assert_eq!(names, expected);
    }

    #[test]
    fn the_closure_follows_packages_and_names_who_asks() {
        let packages: BTreeMap<&str, PackedManifest> = [
            ("@acme/http", r#"{"dependencies": {"@acme/config": "^1", "ms": "2"}}"#),
            ("@acme/config", r#"{"optionalDependencies": {"@acme/log": "1", "@acme/http": "1"}}"#),
            (
                "@acme/log",
                r#"{"devDependencies": {"@acme/cli": "1"},
                    "peerDependencies": {"@acme/react": "1", "@acme/maybe": "1"},
                    "peerDependenciesMeta": {"@acme/maybe": {"optional": true}}}"#,
            ),
            ("@acme/react", "{}"),
            ("@acme/lost", r#"{"dependencies": {"@acme/\u001b": "1"}}"#),
            ("@acme/above", r#"{"dependencies": {"@acme/lost": "1"}}"#),
        ]
        .map(|(name, text)| (name, PackedManifest::parse(&json(text), text.as_bytes())))
        .into();
        let of = |name: &str| {
            let names = [name.to_owned()].into();
            closure("web/package.json", &names, &scopes(), |name| packages.get(name))
        };
        let all: Vec<String> = of("@acme/http").unwrap().into_iter().collect();
        assert_eq!(all, ["@acme/config", "@acme/http", "@acme/log", "@acme/react"]);
        assert_eq!(
            of("@acme/above").unwrap_err().chain,
            "web/package.json needs @acme/above, which needs @acme/lost, which needs \
             @acme/\\u{001b}"
        );
        assert_eq!(of("@acme/x").unwrap_err().name, "@acme/x");
    }
}

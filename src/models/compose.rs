//! Compose files.

use crate::base::finding::Span;
use crate::formats::document::{Key, Node, Value};
use crate::models::{Invocation, Scalar, StringMap, scalar};

#[derive(Debug, Default)]
pub(crate) struct Compose {
    pub services: Vec<Service>,
    /// The compose files that it includes.
    pub includes: Vec<Include>,
}

/// An entry of `include`.
#[derive(Debug)]
pub(crate) struct Include {
    pub path: Scalar,
    /// Whether the paths in it are relative to its own directory. Another file may be merged with
    /// it as well.
    pub is_plain: bool,
}

/// The service that another one extends.
#[derive(Debug)]
pub(crate) struct Extends {
    pub service: Scalar,
    /// `None` for the same file.
    pub file: Option<Scalar>,
}

#[derive(Debug)]
pub(crate) struct Service {
    pub name: String,
    /// The place of its name.
    pub span: Span,
    /// The image to run, or the name for the image that is built.
    pub image: Option<Scalar>,
    pub build: Option<ServiceBuild>,
    pub extends: Option<Extends>,
    /// Every `command` and `entrypoint`, those of merged maps included.
    pub commands: Vec<Invocation>,
    /// The hosts of the running container; a build does not have them.
    pub hosts: Vec<HostEntry>,
    /// The secrets of the running container; a build does not have them.
    pub secrets: Vec<SecretUse>,
    /// The `test` of its health check.
    pub healthcheck: Option<Invocation>,
    pub has_entrypoint: bool,
}

#[derive(Debug)]
pub(crate) struct ServiceBuild {
    pub span: Span,
    pub context: Option<Scalar>,
    /// The path of the Dockerfile, relative to the context.
    pub dockerfile: Option<Scalar>,
    /// A Dockerfile inside of the compose file.
    pub inline: Option<Scalar>,
    /// The build arguments. The place of an item `NAME=value` is the whole item, and an item `NAME`
    /// has no value.
    pub arguments: StringMap,
    pub target: Option<Scalar>,
    pub network: Option<Scalar>,
    pub hosts: Vec<HostEntry>,
    pub secrets: Vec<SecretUse>,
    /// The names of `additional_contexts`.
    pub contexts: Vec<String>,
    /// Also those of `x-bake`.
    pub cache_from: Vec<Scalar>,
    pub cache_to: Vec<Scalar>,
    /// Further names of the image.
    pub tags: Vec<Scalar>,
}

/// An entry of `extra_hosts`.
#[derive(Debug)]
pub(crate) struct HostEntry {
    pub name: String,
    pub span: Span,
}

/// A secret that a build or a container is given.
#[derive(Debug)]
pub(crate) struct SecretUse {
    /// The name that the Dockerfile sees.
    pub id: String,
    pub span: Span,
}

impl Compose {
    pub(crate) fn parse(root: &Node) -> Self {
        let services = root.get("services").flat_map(Node::entries);
        Self {
            services: services.map(|(name, service)| Service::parse(name, service)).collect(),
            includes: root.last("include").map(includes).unwrap_or_default(),
        }
    }
}

/// `include`: paths, or maps of a path or several, which are merged.
fn includes(node: &Node) -> Vec<Include> {
    let include = |item: &Node| {
        let path = item.last("path").unwrap_or(item);
        let first = path.items().first().unwrap_or(path);
        let is_plain = path.items().len() <= 1 && item.last("project_directory").is_none();
        Include { path: Scalar::parse(first), is_plain }
    };
    node.items().iter().map(include).collect()
}

impl Extends {
    /// Parses the name of a service, or a map.
    fn parse(node: &Node) -> Option<Self> {
        let service = node.text().map_or_else(|| node.last("service"), |_| Some(node))?;
        Some(Self { service: Scalar::parse(service), file: scalar(node, "file") })
    }
}

impl Service {
    fn parse(name: &Key, node: &Node) -> Self {
        let test = node.last("healthcheck").and_then(|check| check.last("test"));
        Self {
            name: name.text.clone(),
            span: name.span.clone(),
            image: scalar(node, "image"),
            build: node.last("build").map(ServiceBuild::parse),
            extends: node.last("extends").and_then(Extends::parse),
            commands: ["command", "entrypoint"]
                .iter()
                .flat_map(|key| node.get(key))
                .map(Invocation::parse)
                .collect(),
            hosts: hosts(node),
            secrets: secrets(node),
            healthcheck: test.map(Invocation::parse),
            has_entrypoint: node.last("entrypoint").is_some(),
        }
    }
}

impl ServiceBuild {
    /// Parses a map, or the path of the context.
    fn parse(node: &Node) -> Self {
        let context = node.text().map_or_else(|| node.last("context"), |_| Some(node));
        Self {
            span: node.span.clone(),
            context: context.map(Scalar::parse),
            dockerfile: scalar(node, "dockerfile"),
            inline: scalar(node, "dockerfile_inline"),
            arguments: node.last("args").map(arguments).unwrap_or_default(),
            target: scalar(node, "target"),
            network: scalar(node, "network"),
            hosts: hosts(node),
            secrets: secrets(node),
            contexts: contexts(node),
            cache_from: caches(node, "cache_from", "cache-from"),
            cache_to: caches(node, "cache_to", "cache-to"),
            tags: strings(node.last("tags")),
        }
    }
}

/// A list of strings, or one string.
fn strings(node: Option<&Node>) -> Vec<Scalar> {
    let items = node
        .map(|node| if node.text().is_some() { std::slice::from_ref(node) } else { node.items() });
    items.unwrap_or_default().iter().map(Scalar::parse).collect()
}

/// The entries of a list of caches, and those that only bake adds.
fn caches(node: &Node, key: &str, of_bake: &str) -> Vec<Scalar> {
    let mut found = strings(node.last(key));
    found.extend(strings(node.last("x-bake").and_then(|bake| bake.last(of_bake))));
    found
}

/// `additional_contexts`, as a map or as a list of `name=path`.
fn contexts(node: &Node) -> Vec<String> {
    let Some(contexts) = node.last("additional_contexts") else { return Vec::new() };
    let of_map = contexts.entries().map(|(key, _)| key.text.clone());
    let of_list = contexts.items().iter().filter_map(|item| {
        let (name, _) = item.text()?.split_once('=')?;
        Some(name.to_owned())
    });
    of_map.chain(of_list).collect()
}

/// `extra_hosts`, as a map or as a list of `name:address` or `name=address`.
fn hosts(node: &Node) -> Vec<HostEntry> {
    let Some(hosts) = node.last("extra_hosts") else { return Vec::new() };
    let of_map = hosts.entries().map(|(key, _)| (key.text.as_str(), &key.span));
    let of_list = hosts.items().iter().filter_map(|item| Some((item.text()?, &item.span)));
    of_map
        .chain(of_list)
        .map(|(text, span)| {
            let name = text.split([':', '=']).next().unwrap_or(text).to_owned();
            HostEntry { name, span: span.clone() }
        })
        .collect()
}

/// `secrets`, each by its name or as a map.
fn secrets(node: &Node) -> Vec<SecretUse> {
    let used = |item: &Node| {
        let source = item.text().or_else(|| item.last("source")?.text())?.to_owned();
        // A target may be a path below /run/secrets.
        let target = item.last("target").and_then(Node::text);
        let id =
            target.map_or(source.as_str(), |target| target.rsplit('/').next().unwrap_or(target));
        Some(SecretUse { id: id.to_owned(), span: item.span.clone() })
    };
    node.last("secrets").map(Node::items).unwrap_or_default().iter().filter_map(used).collect()
}

/// Build arguments, as a map or as a list of `NAME=value`.
fn arguments(node: &Node) -> StringMap {
    let Value::List(nodes) = &node.value else { return StringMap::parse(node) };
    let argument = |node: &Node| {
        let text = node.text()?;
        let (name, value) =
            text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        let value = Scalar { span: node.span.clone(), text: value.map(str::to_owned) };
        Some((name.to_owned(), value))
    };
    StringMap(nodes.iter().filter_map(argument).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::tests::yaml;

    #[test]
    fn a_service_has_an_image_a_build_and_commands() {
        let text = "x: &x {command: one, image: base}\nservices:\n  a:\n    <<: *x\n    \
                    image: own\n    command: [two]\n    entrypoint: three\n    \
                    build: {context: c, dockerfile: d, args: {V: 1, W: ''}}\n  \
                    b: {build: ./dir}\n  c: {build: {args: [V=1=2, W, [x]]}}\n";
        let compose = Compose::parse(&yaml(text));
        let [a, b, c] = compose.services.as_slice() else { panic!("three services") };
        assert_eq!(a.image.as_ref().unwrap().text(), Some("own"));
        let written = |value: &Scalar| text.get(value.span.clone()).unwrap().to_owned();
        let commands = a.commands.iter().map(|command| match command {
            Invocation::Shell(line) => written(line),
            Invocation::Exec(words) => {
                words.iter().map(|word| format!("[{}]", written(word))).collect()
            }
        });
        assert_eq!(commands.collect::<Vec<_>>(), ["one", "[two]", "three"]);
        let shown = |service: &Service| {
            let build = service.build.as_ref().unwrap();
            let arguments =
                build.arguments.iter().map(|(name, value)| (name.to_owned(), value.text()));
            let text = |value: &Option<Scalar>| value.as_ref().map(written).unwrap_or_default();
            (
                text(&build.context),
                text(&build.dockerfile),
                format!("{:?}", arguments.collect::<Vec<_>>()),
            )
        };
        let expected = |context: &str, file: &str, arguments: &str| {
            (context.into(), file.into(), arguments.into())
        };
        assert_eq!(shown(a), expected("c", "d", r#"[("V", Some("1")), ("W", Some(""))]"#));
        assert_eq!(shown(b), expected("./dir", "", "[]"));
        assert_eq!(shown(c), expected("", "", r#"[("V", Some("1=2")), ("W", None)]"#));
    }
}

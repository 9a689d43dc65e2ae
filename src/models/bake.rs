//! Bake files, in HCL or JSON.

use crate::base::finding::Span;
use crate::formats::document::{Key, Node, Value};
use crate::models::{Scalar, StringMap, scalar, string_map};

#[derive(Debug, Default)]
pub(crate) struct Bake {
    /// The groups, each with the names of its targets and of further groups.
    pub groups: Vec<(String, Vec<Scalar>)>,
    pub targets: Vec<BakeTarget>,
    /// The defaults of the variables that are literal strings.
    pub variables: StringMap,
}

#[derive(Debug)]
pub(crate) struct BakeTarget {
    pub name: String,
    /// The place of its name.
    pub span: Span,
    /// The names of the targets whose values it takes over.
    pub inherits: Vec<Scalar>,
    pub context: Option<Scalar>,
    /// Relative to the context.
    pub dockerfile: Option<Scalar>,
    /// A Dockerfile inside of the bake file.
    pub inline: Option<Scalar>,
    pub target: Option<Scalar>,
    pub network: Option<Scalar>,
    pub arguments: StringMap,
    /// Each as a string `id=…,src=…`, or as a map with an `id`.
    pub secrets: Vec<Scalar>,
    /// The names of extra hosts.
    pub hosts: StringMap,
    /// Further contexts by their names.
    pub contexts: StringMap,
    /// The entries of `cache-from`, each as one text.
    pub cache_from: Vec<(String, Span)>,
    /// The entries of `cache-to`; `None` if the target says nothing.
    pub cache_to: Option<Vec<(String, Span)>>,
    pub tags: Vec<Scalar>,
    /// Whether a field is an expression, so that more may be given; also with a `matrix`.
    pub is_open: bool,
}

impl Bake {
    pub(crate) fn parse(root: &Node) -> Self {
        let group = |(name, node): (&Key, &Node)| (name.text.clone(), list(node, "targets"));
        let default =
            |(name, node): (&Key, &Node)| Some((name.text.clone(), scalar(node, "default")?));
        let targets = root.get("target").flat_map(Node::entries);
        Self {
            groups: root.get("group").flat_map(Node::entries).map(group).collect(),
            targets: targets.map(|(key, node)| BakeTarget::parse(key, node)).collect(),
            variables: StringMap(
                root.get("variable").flat_map(Node::entries).filter_map(default).collect(),
            ),
        }
    }
}

impl BakeTarget {
    fn parse(name: &Key, node: &Node) -> Self {
        let is_expression = |key: &str| {
            let values = node.last(key).into_iter();
            values
                .flat_map(|value| value.items().iter().chain([value]))
                .any(|value| value.value == Value::Other)
        };
        let open = ["args", "secret", "extra-hosts", "contexts", "inherits"];
        Self {
            name: name.text.clone(),
            span: name.span.clone(),
            inherits: list(node, "inherits"),
            context: scalar(node, "context"),
            dockerfile: scalar(node, "dockerfile"),
            inline: scalar(node, "dockerfile-inline"),
            target: scalar(node, "target"),
            network: scalar(node, "network"),
            arguments: string_map(node, "args"),
            secrets: secrets(node),
            hosts: string_map(node, "extra-hosts"),
            contexts: string_map(node, "contexts"),
            cache_from: node.last("cache-from").map(caches).unwrap_or_default(),
            cache_to: node.last("cache-to").map(caches),
            tags: list(node, "tags"),
            is_open: node.last("matrix").is_some() || open.into_iter().any(is_expression),
        }
    }
}

/// The values of a list.
fn list(node: &Node, key: &str) -> Vec<Scalar> {
    node.last(key).map(Node::items).unwrap_or_default().iter().map(Scalar::parse).collect()
}

/// The entries of a list of caches, each a string or a map of options. What is unknown is `${}`.
fn caches(node: &Node) -> Vec<(String, Span)> {
    let text = |node: &Node| node.text().unwrap_or("${}").to_owned();
    let entry = |item: &Node| {
        let options: Vec<String> =
            item.entries().map(|(key, value)| format!("{}={}", key.text, text(value))).collect();
        let written = if options.is_empty() { text(item) } else { options.join(",") };
        (written, item.span.clone())
    };
    let items = if node.value == Value::Other { std::slice::from_ref(node) } else { node.items() };
    items.iter().map(entry).collect()
}

/// The ids of `secret`.
fn secrets(node: &Node) -> Vec<Scalar> {
    let id = |item: &Node| {
        let of_text = |text: &str| {
            let mut parts = text.split(',').map(str::trim);
            parts.find_map(|part| part.strip_prefix("id=")).map(str::to_owned)
        };
        let text = match item.text() {
            Some(text) => of_text(text),
            None => item.last("id").and_then(Node::text).map(str::to_owned),
        };
        Scalar { span: item.span.clone(), text }
    };
    node.last("secret").map(Node::items).unwrap_or_default().iter().map(id).collect()
}

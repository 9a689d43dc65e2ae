//! Compose files.

use crate::formats::document::{Node, Value};
use crate::models::{Invocation, Scalar, StringMap, scalar};

#[derive(Debug, Default)]
pub(crate) struct Compose {
    pub services: Vec<Service>,
}

#[derive(Debug)]
pub(crate) struct Service {
    /// The image to run, or the name for the image that is built.
    pub image: Option<Scalar>,
    pub build: Option<ServiceBuild>,
    /// Every `command` and `entrypoint`, those of merged maps included.
    pub commands: Vec<Invocation>,
    pub has_entrypoint: bool,
}

#[derive(Debug)]
pub(crate) struct ServiceBuild {
    pub context: Option<Scalar>,
    /// The path of the Dockerfile, relative to the context.
    pub dockerfile: Option<Scalar>,
    /// The build arguments. The place of an item `NAME=value` is the whole item, and an item `NAME`
    /// has no value.
    pub arguments: StringMap,
}

impl Compose {
    pub(crate) fn parse(root: &Node) -> Self {
        let services = root.get("services").flat_map(Node::entries);
        Self { services: services.map(|(_, service)| Service::parse(service)).collect() }
    }
}

impl Service {
    fn parse(node: &Node) -> Self {
        Self {
            image: scalar(node, "image"),
            build: node.last("build").map(ServiceBuild::parse),
            commands: ["command", "entrypoint"]
                .iter()
                .flat_map(|key| node.get(key))
                .map(Invocation::parse)
                .collect(),
            has_entrypoint: node.last("entrypoint").is_some(),
        }
    }
}

impl ServiceBuild {
    /// Parses a map, or the path of the context.
    fn parse(node: &Node) -> Self {
        let context = node.text().map_or_else(|| node.last("context"), |_| Some(node));
        Self {
            context: context.map(Scalar::parse),
            dockerfile: scalar(node, "dockerfile"),
            arguments: node.last("args").map(arguments).unwrap_or_default(),
        }
    }
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

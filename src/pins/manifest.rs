//! `package.json`: `packageManager`, `devEngines`, `engines`, `volta`, and which directories a workspace takes in.

use crate::base::finding::Span;
use crate::formats::document::{Node, Value};
use crate::formats::{self, Syntax};
use crate::pins::corepack::{self, Decision, Refusal};
use crate::pins::{Demand, Fault, How, Manager, Pin, Reading, exact, hash};

/// Reads a manifest. One that cannot be parsed says nothing, and corepack looks no further up.
pub(super) fn read(text: &[u8]) -> Reading {
    let Ok(root) = formats::parse(Syntax::Json, text) else { return Reading { decides: true, ..Reading::default() } };
    let mut reading = Reading { members: members(&root), ..Reading::default() };
    package_manager(&root, text, &mut reading);
    dev_engines(&root, text, &mut reading);
    if let Some(field) = root.last("packageManager").filter(|_| text.starts_with(b"\xef\xbb\xbf")) {
        reading.faults.push((field.span.clone(), Fault::Refused("the file begins with a byte order mark".into())));
    }
    for (key, how) in [("volta", How::Volta), ("engines", How::Engines)] {
        for (name, version) in root.last(key).into_iter().flat_map(Node::entries) {
            if let (Some(manager), Some(wanted)) = (Manager::named(&name.text), version.text()) {
                let pin = string(how, manager, wanted, version, text);
                // "please-use-pnpm" is no version.
                let is_version = matches!(pin.demand, Demand::Exact(_) | Demand::Range(_));
                reading.pins.extend(is_version.then_some(pin));
            }
        }
    }
    reading
}

/// A pin that a string holds as a whole.
pub(super) fn string(how: How, manager: Manager, wanted: &str, node: &Node, text: &[u8]) -> Pin {
    let inner = node.span.start + 1..node.span.end.saturating_sub(1);
    match [node.span.clone(), inner].into_iter().find(|span| text.get(span.clone()) == Some(wanted.as_bytes())) {
        Some(span) => Pin::plain(how, manager, wanted, span),
        None => Pin::unchangeable(how, manager, Demand::of(wanted), node.span.clone()),
    }
}

/// What corepack makes of it.
fn package_manager(root: &Node, text: &[u8], reading: &mut Reading) {
    let field = root.last("packageManager");
    match corepack::decide(root, text) {
        Decision::Refused(refusal) => {
            reading.decides = field.is_some();
            reading.faults.push(fault(refusal));
        }
        Decision::Blank(refusal) => reading.blank = Some(fault(refusal)),
        Decision::Absent => {}
        Decision::Open => reading.decides = field.is_some(),
        Decision::Exact(..) => reading.pins.extend(written(field, text)),
        Decision::Contradiction => {
            reading.decides = true;
            let pin = written(field, text);
            // Two versions are compared where pins are; what is none is told here.
            let engine = root.last("devEngines").and_then(|engines| engines.last("packageManager"));
            let is_compared = engine.is_some_and(|engine| engine_pin(engine, text).is_some()) && pin.is_some();
            if let Some(field) = field.filter(|_| !is_compared) {
                let reason = "it is not what devEngines.packageManager asks for".to_owned();
                reading.faults.push((field.span.clone(), Fault::Refused(reason)));
            }
            reading.pins.extend(pin);
        }
    }
    reading.decides |= !reading.pins.is_empty();
}

fn fault(refusal: Refusal) -> (Span, Fault) {
    let fault = match refusal.foreign {
        Some(name) => Fault::Foreign(name),
        None => Fault::Refused(refusal.reason),
    };
    (refusal.span, fault)
}

/// The pin that a `packageManager` is, as it is written.
fn written(field: Option<&Node>, text: &[u8]) -> Option<Pin> {
    let node = field?;
    let (name, version) = node.text()?.split_once('@')?;
    let bare = version.trim().trim_start_matches('v');
    let demand = Demand::Exact(exact(bare)?);
    let whole = &text[node.span.clone()];
    let at = whole.windows(bare.len()).rposition(|window| window == bare.as_bytes());
    let span = at.map(|at| node.span.start + at..node.span.start + at + bare.len());
    let pin = Pin::unchangeable(How::PackageManager, Manager::named(name)?, demand, node.span.clone());
    Some(Pin { version: span, hash: hash(bare), ..pin })
}

/// One object, or a list of alternatives.
fn dev_engines(root: &Node, text: &[u8], reading: &mut Reading) {
    let Some(node) = root.last("devEngines").and_then(|node| node.last("packageManager")) else { return };
    let alternatives = match &node.value {
        Value::List(nodes) => nodes.as_slice(),
        _ => std::slice::from_ref(node),
    };
    reading.pins.extend(alternatives.iter().filter_map(|node| engine_pin(node, text)));
}

fn engine_pin(node: &Node, text: &[u8]) -> Option<Pin> {
    let manager = node.last("name").and_then(Node::text).and_then(Manager::named)?;
    let version = node.last("version")?;
    Some(string(How::DevEngines, manager, version.text()?, version, text))
}

/// `workspaces`, a list or an object that holds one.
fn members(root: &Node) -> Option<Vec<String>> {
    let workspaces = root.last("workspaces")?;
    let list = workspaces.last("packages").unwrap_or(workspaces);
    patterns(list)
}

/// The strings of a list.
pub(super) fn patterns(node: &Node) -> Option<Vec<String>> {
    match &node.value {
        Value::List(nodes) => Some(nodes.iter().filter_map(Node::text).map(str::to_owned).collect()),
        _ => None,
    }
}

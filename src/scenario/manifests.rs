//! The Kubernetes objects that a scenario names, each with its place.

use super::fields::report_repeated;
use super::format::File;
use super::problem::{Problems, SourceId};
use crate::model::object::ObjectRef;
use crate::sys::yaml::{Data, Dialect, Node, Place, documents};
use serde_json::Value;

/// Kinds that live outside namespaces.
const CLUSTER_SCOPED: [&str; 10] = [
    "Namespace",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleBinding",
    "GatewayClass",
    "IngressClass",
    "PersistentVolume",
    "PriorityClass",
    "StorageClass",
    "APIService",
];

/// Finds the texts of manifest files by the names that scenarios give them.
pub trait Files {
    /// # Errors
    /// Why there is no such text, in words that fit after `cannot read NAME: `.
    fn read(&self, name: &str) -> Result<String, String>;

    /// What problems call the file.
    fn shown(&self, name: &str) -> String {
        name.to_owned()
    }
}

/// One object and where it was written.
#[derive(Debug, Clone)]
pub(super) struct Doc {
    pub source: SourceId,
    pub node: Node,
    /// With its namespace filled in.
    pub value: Value,
    pub id: ObjectRef,
}

impl Doc {
    /// Place of the value at a JSON pointer, or of the nearest thing above it.
    pub fn place(&self, pointer: &str) -> (SourceId, Place) {
        let mut pointer = pointer;
        loop {
            if let Some(node) = self.node.pointer(pointer) {
                return (self.source, node.place);
            }
            let Some(cut) = pointer.rfind('/') else { return (self.source, self.node.place) };
            pointer = &pointer[..cut];
        }
    }

    /// Place of the key at a JSON pointer, or of the nearest value above it.
    pub fn key_place(&self, pointer: &str) -> (SourceId, Place) {
        let cut = pointer.rfind('/').unwrap_or(0);
        let entry = self
            .node
            .pointer(&pointer[..cut])
            .and_then(|map| map.entries().iter().find(|entry| entry.key == pointer[cut + 1..]));
        entry.map_or_else(|| self.place(pointer), |entry| (self.source, entry.key_place))
    }

    pub fn text(&self, pointer: &str) -> &str {
        self.value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

/// Reads every manifest of the scenario, in the order in which to apply them.
pub(super) fn load(file: &File, source: SourceId, files: &dyn Files, problems: &mut Problems) -> Vec<Doc> {
    let mut docs = Vec::new();
    for entry in &file.manifests {
        let Some(name) = entry.as_text() else {
            take(entry.clone(), source, &mut docs, problems);
            continue;
        };
        match files.read(name) {
            Ok(text) => read_file(&files.shown(name), &text, &mut docs, problems),
            Err(why) => {
                let help =
                    "name a file relative to the scenario, or `builtin:podinfo/canary.yaml`, or write the object here";
                problems.error((source, entry.place), format!("cannot read {name}: {why}"), help);
            }
        }
    }
    report_twins(&docs, problems);
    docs.sort_by_key(|doc| rank(&doc.id.kind));
    docs
}

fn read_file(shown: &str, text: &str, docs: &mut Vec<Doc>, problems: &mut Problems) {
    let source = problems.add_source(shown, text);
    match documents(text, Dialect::Kubernetes) {
        Ok(nodes) => nodes.into_iter().for_each(|node| take(node, source, docs, problems)),
        Err(error) => {
            let message = format!("this is not YAML: {}", error.message);
            match error.place {
                Some(place) => problems.error((source, place), message, ""),
                None => problems.error_in(source, message, ""),
            }
        }
    }
}

/// Adds one object, or every object of a `List`.
fn take(node: Node, source: SourceId, docs: &mut Vec<Doc>, problems: &mut Problems) {
    let text = |pointer| node.pointer(pointer).and_then(Node::as_text).unwrap_or_default();
    if text("/kind") == "List" {
        for item in node.get("items").map(Node::items).unwrap_or_default() {
            take(item.clone(), source, docs, problems);
        }
        return;
    }
    for pointer in ["/apiVersion", "/kind", "/metadata/name"] {
        if text(pointer).is_empty() {
            let field = pointer.trim_start_matches('/').replace('/', ".");
            let message = format!("the object has no `{field}`");
            problems.error(
                (source, node.place),
                message,
                "every Kubernetes object has apiVersion, kind and metadata.name",
            );
            return;
        }
    }
    report_repeated_keys(&node, source, problems);
    let mut value = node.to_json();
    let kind = text("/kind");
    if !CLUSTER_SCOPED.contains(&kind) && text("/metadata/namespace").is_empty() {
        // As kubectl does with no namespace chosen.
        value["metadata"]["namespace"] = "default".into();
    }
    docs.push(Doc { source, id: ObjectRef::of(&value), value, node });
}

fn report_repeated_keys(node: &Node, source: SourceId, problems: &mut Problems) {
    match &node.data {
        Data::List(items) => items.iter().for_each(|item| report_repeated_keys(item, source, problems)),
        Data::Map(entries) => {
            report_repeated(entries, source, problems);
            for entry in entries {
                report_repeated_keys(&entry.value, source, problems);
            }
        }
        _ => {}
    }
}

fn report_twins(docs: &[Doc], problems: &mut Problems) {
    let mut seen = std::collections::BTreeSet::new();
    for doc in docs {
        if !seen.insert(&doc.id) {
            let message = format!("{} is in the manifests twice; the second one would replace the first", doc.id);
            problems.error(doc.place("/metadata/name"), message, "keep one of them");
        }
    }
}

/// What is applied before what: things that others refer to come first, the Canary last.
fn rank(kind: &str) -> u8 {
    match kind {
        "Namespace" | "CustomResourceDefinition" | "GatewayClass" | "IngressClass" => 0,
        "ServiceAccount" | "ClusterRole" | "ClusterRoleBinding" | "Role" | "RoleBinding" => 1,
        "ConfigMap" | "Secret" => 2,
        "Service" | "Gateway" => 3,
        "MetricTemplate" | "AlertProvider" => 5,
        "Canary" => 6,
        _ => 4,
    }
}

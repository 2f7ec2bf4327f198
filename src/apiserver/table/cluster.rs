//! The columns of what a whole cluster has: nodes, classes, quotas.

use super::built_in::{AGE, NAME, joined, labels, list, number, or_none, text};
use super::row::{Cell, cell};
use crate::model::object::At;
use serde_json::{Value, json};

pub fn nodes() -> Vec<Cell> {
    vec![
        NAME,
        cell("Status", "string", 0, node_status),
        cell("Roles", "string", 0, node_roles),
        AGE,
        cell("Version", "string", 0, |it| json!(text(it, "/status/nodeInfo/kubeletVersion"))),
        cell("Internal-IP", "string", 1, |it| node_address(it, "InternalIP")),
        cell("External-IP", "string", 1, |it| node_address(it, "ExternalIP")),
        cell("OS-Image", "string", 1, |it| node_info(it, "osImage")),
        cell("Kernel-Version", "string", 1, |it| node_info(it, "kernelVersion")),
        cell("Container-Runtime", "string", 1, |it| node_info(it, "containerRuntimeVersion")),
    ]
}

fn node_status(node: &Value) -> Value {
    let ready = list(node, "/status/conditions").iter().find(|it| text(it, "/type") == "Ready");
    let mut status = match ready.map(|it| text(it, "/status")) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if node.at("/spec/unschedulable") == Some(&json!(true)) {
        status.push_str(",SchedulingDisabled");
    }
    json!(status)
}

fn node_roles(node: &Value) -> Value {
    let labels = node.at("/metadata/labels").and_then(Value::as_object).into_iter().flatten();
    or_none(&joined(labels.filter_map(|(key, _)| key.strip_prefix("node-role.kubernetes.io/").map(str::to_owned))))
}

fn node_address(node: &Value, kind: &str) -> Value {
    let found = list(node, "/status/addresses").iter().find(|it| text(it, "/type") == kind);
    or_none(found.map_or("", |it| text(it, "/address")))
}

fn node_info(node: &Value, key: &str) -> Value {
    let found = text(node, &format!("/status/nodeInfo/{key}"));
    json!(if found.is_empty() { "<unknown>" } else { found })
}

pub fn priority_classes() -> Vec<Cell> {
    vec![
        NAME,
        cell("Value", "integer", 0, |it| json!(number(it, "/value"))),
        cell("Global-Default", "boolean", 0, |it| json!(it["globalDefault"] == json!(true))),
        AGE,
        cell("PreemptionPolicy", "string", 0, |it| json!(text(it, "/preemptionPolicy"))),
    ]
}

pub fn quotas() -> Vec<Cell> {
    vec![
        NAME,
        cell("Request", "string", 0, |it| shares(it, |name| !name.starts_with("limits"))),
        cell("Limit", "string", 0, |it| shares(it, |name| name.starts_with("limits"))),
        AGE,
    ]
}

/// `cpu: 100m/2, pods: 3/10`: what is used of what may be used, by name.
fn shares(quota: &Value, counts: fn(&str) -> bool) -> Value {
    let hard = quota.at("/status/hard").and_then(Value::as_object).into_iter().flatten();
    let mut parts: Vec<_> = hard
        .filter(|(name, _)| counts(name))
        .map(|(name, hard)| {
            let used = quota.at("/status/used").and_then(|it| it.get(name)).and_then(Value::as_str).unwrap_or("0");
            format!("{name}: {used}/{}", hard.as_str().unwrap_or_default())
        })
        .collect();
    parts.sort();
    json!(parts.join(", "))
}

pub fn pod_templates() -> Vec<Cell> {
    fn of_containers(template: &Value, key: &str) -> Value {
        let containers = list(template, "/template/spec/containers").iter();
        json!(joined(containers.map(|it| it[key].as_str().unwrap_or_default().to_owned())))
    }
    vec![
        NAME,
        cell("Containers", "string", 0, |it| of_containers(it, "name")),
        cell("Images", "string", 0, |it| of_containers(it, "image")),
        cell("Pod Labels", "string", 0, |it| labels(it.at("/template/metadata/labels"))),
    ]
}

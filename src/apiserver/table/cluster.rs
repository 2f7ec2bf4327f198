//! The columns of what a whole cluster has: nodes, classes, quotas.

use super::Cell;
use super::built_in::{AGE, NAME, joined, labels, list, number, or_none, text};
use serde_json::{Value, json};

pub fn nodes() -> Vec<Cell> {
    vec![
        NAME,
        Cell("Status", "string", 0, |it, _| node_status(it)),
        Cell("Roles", "string", 0, |it, _| node_roles(it)),
        AGE,
        Cell("Version", "string", 0, |it, _| json!(text(it, "/status/nodeInfo/kubeletVersion"))),
        Cell("Internal-IP", "string", 1, |it, _| node_address(it, "InternalIP")),
        Cell("External-IP", "string", 1, |it, _| node_address(it, "ExternalIP")),
        Cell("OS-Image", "string", 1, |it, _| node_info(it, "osImage")),
        Cell("Kernel-Version", "string", 1, |it, _| node_info(it, "kernelVersion")),
        Cell("Container-Runtime", "string", 1, |it, _| node_info(it, "containerRuntimeVersion")),
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
    if node.pointer("/spec/unschedulable") == Some(&json!(true)) {
        status.push_str(",SchedulingDisabled");
    }
    json!(status)
}

fn node_roles(node: &Value) -> Value {
    let labels = node.pointer("/metadata/labels").and_then(Value::as_object).into_iter().flatten();
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
        Cell("Value", "integer", 0, |it, _| json!(number(it, "/value"))),
        Cell("Global-Default", "boolean", 0, |it, _| json!(it["globalDefault"] == json!(true))),
        AGE,
        Cell("PreemptionPolicy", "string", 0, |it, _| json!(text(it, "/preemptionPolicy"))),
    ]
}

pub fn quotas() -> Vec<Cell> {
    vec![
        NAME,
        Cell("Request", "string", 0, |it, _| shares(it, |name| !name.starts_with("limits"))),
        Cell("Limit", "string", 0, |it, _| shares(it, |name| name.starts_with("limits"))),
        AGE,
    ]
}

/// `cpu: 100m/2, pods: 3/10`: what is used of what may be used, by name.
fn shares(quota: &Value, counts: fn(&str) -> bool) -> Value {
    let hard = quota.pointer("/status/hard").and_then(Value::as_object).into_iter().flatten();
    let mut parts: Vec<_> = hard
        .filter(|(name, _)| counts(name))
        .map(|(name, hard)| {
            let used = quota.pointer("/status/used").and_then(|it| it.get(name)).and_then(Value::as_str).unwrap_or("0");
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
        Cell("Containers", "string", 0, |it, _| of_containers(it, "name")),
        Cell("Images", "string", 0, |it, _| of_containers(it, "image")),
        Cell("Pod Labels", "string", 0, |it, _| labels(it.pointer("/template/metadata/labels"))),
    ]
}

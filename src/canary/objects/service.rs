//! The three Services: apex `{svc}`, `{svc}-primary`, `{svc}-canary`.

use super::{is_owned, owner, with_flux_disabled};
use crate::canary::context::{Target, strings};
use crate::model::canary::{Canary, ServiceMetadata};
use crate::model::object::Labels;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Sidecars whose ports are not discovered.
const SIDECARS: [&str; 2] = ["istio-proxy", "envoy"];

/// Which of the three Services, with its name, the pods it selects, and its own metadata.
#[derive(Debug, Clone, Copy)]
pub(in crate::canary) enum Role {
    Apex,
    Primary,
    Canary,
}

impl Role {
    pub(in crate::canary) fn name(self, canary: &Canary) -> String {
        match self {
            Self::Apex => canary.service_name().to_owned(),
            Self::Primary => format!("{}-primary", canary.service_name()),
            Self::Canary => format!("{}-canary", canary.service_name()),
        }
    }

    fn metadata(self, canary: &Canary) -> ServiceMetadata {
        let service = &canary.spec.service;
        let own = match self {
            Self::Apex => &service.apex,
            Self::Primary => &service.primary,
            Self::Canary => &service.canary,
        };
        own.clone().unwrap_or_default()
    }

    fn selects(self, target: &Target<'_>) -> String {
        match self {
            Self::Canary => target.value.to_owned(),
            Self::Apex | Self::Primary => format!("{}-primary", target.value),
        }
    }
}

/// The Service as it is created.
pub(in crate::canary) fn create(canary: &Canary, role: Role, target: &Target<'_>) -> Value {
    let (labels, annotations) = wanted_metadata(canary, role, target);
    let service = &canary.spec.service;
    let mut spec = json!({
        "type": "ClusterIP",
        "selector": {target.label: role.selects(target)},
        "ports": ports(canary, target),
    });
    if service.headless {
        spec["clusterIP"] = json!("None");
    }
    if !service.traffic_distribution.is_empty() {
        spec["trafficDistribution"] = json!(service.traffic_distribution);
    }
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": role.name(canary),
            "namespace": canary.namespace(),
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": owner(canary),
        },
        "spec": spec,
    })
}

/// The existing Service with ports and selector (and, where it is the Canary's own, metadata) as they should be; nothing
/// where they are already.
pub(in crate::canary) fn update(existing: &Value, canary: &Canary, role: Role, target: &Target<'_>) -> Option<Value> {
    let selector = json!({target.label: role.selects(target)});
    let ports = keep_node_ports(ports(canary, target), &existing["spec"]["ports"]);
    let mut changed = existing.clone();
    changed["spec"]["ports"] = ports;
    changed["spec"]["selector"] = selector;
    let distribution = &canary.spec.service.traffic_distribution;
    if !distribution.is_empty() {
        changed["spec"]["trafficDistribution"] = json!(distribution);
    }
    if is_owned(existing, canary) {
        let (labels, annotations) = wanted_metadata(canary, role, target);
        let unmanaged = &canary.spec.service.unmanaged_metadata;
        for (field, wanted) in [("labels", labels), ("annotations", annotations)] {
            changed["metadata"][field] = json!(keep_unmanaged(wanted, &existing["metadata"][field], &unmanaged[field]));
        }
    }
    (changed != *existing).then_some(changed)
}

fn wanted_metadata(canary: &Canary, role: Role, target: &Target<'_>) -> (Labels, Labels) {
    let mut metadata = role.metadata(canary);
    metadata.labels.insert(target.label.to_owned(), role.name(canary));
    (metadata.labels, with_flux_disabled(&metadata.annotations))
}

/// Keys listed as unmanaged stay as they are found.
fn keep_unmanaged(mut wanted: Labels, existing: &Value, unmanaged: &Value) -> Labels {
    let existing = strings(existing);
    for key in unmanaged.as_array().into_iter().flatten().filter_map(Value::as_str) {
        match existing.get(key) {
            Some(value) => wanted.insert(key.to_owned(), value.clone()),
            None => wanted.remove(key),
        };
    }
    wanted
}

/// The port of the policy, then (with port discovery) every other container port, by number.
fn ports(canary: &Canary, target: &Target<'_>) -> Value {
    let service = &canary.spec.service;
    let name = if service.port_name.is_empty() { "http" } else { &service.port_name };
    let mut first = json!({"name": name, "protocol": "TCP", "port": service.port, "targetPort": target_port(canary)});
    if !service.app_protocol.is_empty() {
        first["appProtocol"] = json!(service.app_protocol);
    }
    let mut ports = vec![first];
    if service.port_discovery {
        ports.extend(discovered(canary, target.deployment));
    }
    Value::Array(ports)
}

fn target_port(canary: &Canary) -> Value {
    match &canary.spec.service.target_port {
        Value::Null => json!(canary.spec.service.port),
        Value::Number(number) if number.as_i64() == Some(0) => json!(canary.spec.service.port),
        Value::String(text) if text.is_empty() => json!(canary.spec.service.port),
        port => port.clone(),
    }
}

fn discovered(canary: &Canary, deployment: &Value) -> Vec<Value> {
    let own = [json!(canary.spec.service.port), target_port(canary)];
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    let containers = deployment["spec"]["template"]["spec"]["containers"].as_array();
    for container in containers.into_iter().flatten() {
        let name = container["name"].as_str().unwrap_or_default();
        if SIDECARS.contains(&name) {
            continue;
        }
        for (index, port) in container["ports"].as_array().into_iter().flatten().enumerate() {
            let Some(number) = port["containerPort"].as_i64() else { continue };
            let port_name = port["name"].as_str().map_or_else(|| format!("tcp-{name}-{index}"), str::to_owned);
            if own.contains(&json!(number)) || own.contains(&json!(port_name)) || !seen.insert(number) {
                continue;
            }
            found.push((number, json!({"name": port_name, "protocol": "TCP", "port": number, "targetPort": number})));
        }
    }
    found.sort_by_key(|(number, _)| *number);
    found.into_iter().map(|(_, port)| port).collect()
}

fn keep_node_ports(mut wanted: Value, existing: &Value) -> Value {
    for port in wanted.as_array_mut().into_iter().flatten() {
        let same = existing.as_array().into_iter().flatten().find(|it| it["name"] == port["name"]);
        if let Some(node_port) = same.and_then(|it| it["nodePort"].as_i64()).filter(|it| *it > 0) {
            port["nodePort"] = json!(node_port);
        }
    }
    wanted
}

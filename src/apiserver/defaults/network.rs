//! Namespaces, services, ingresses and the small kinds.

use super::{absent, each, object, object_or_new, text};
use serde_json::{Map, Value, json};

type Object = Map<String, Value>;

pub fn namespace(root: &mut Object) {
    if let Some(metadata) = object_or_new(root, "metadata") {
        let name = text(metadata, "name").to_owned();
        if let Some(labels) = object_or_new(metadata, "labels")
            && !name.is_empty()
        {
            labels.insert("kubernetes.io/metadata.name".to_owned(), Value::String(name));
        }
    }
}

/// Everything but the address, which the store allocates.
pub fn service(root: &mut Object) {
    let Some(spec) = object(root, "spec") else { return };
    absent(spec, "type", "ClusterIP");
    absent(spec, "sessionAffinity", "None");
    if text(spec, "sessionAffinity") == "ClientIP" {
        absent(spec, "sessionAffinityConfig", json!({ "clientIP": { "timeoutSeconds": 10800 } }));
    }
    let kind = text(spec, "type").to_owned();
    if kind != "ExternalName" {
        absent(spec, "internalTrafficPolicy", "Cluster");
    }
    if kind == "NodePort" || kind == "LoadBalancer" {
        absent(spec, "externalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        absent(spec, "allocateLoadBalancerNodePorts", true);
    }
    for port in each(spec, "ports") {
        absent(port, "protocol", "TCP");
        if let Some(number) = port.get("port").cloned() {
            absent(port, "targetPort", number);
        }
    }
}

pub fn ingress(root: &mut Object) {
    absent(root, "spec", json!({}));
}

pub fn endpoints(root: &mut Object) {
    let ports = |parent: &mut Object| {
        for port in each(parent, "ports") {
            absent(port, "protocol", "TCP");
            absent(port, "name", "");
        }
    };
    if root.get("kind").and_then(Value::as_str) == Some("EndpointSlice") {
        ports(root);
        return;
    }
    for subset in each(root, "subsets") {
        for port in each(subset, "ports") {
            absent(port, "protocol", "TCP");
        }
    }
}

pub fn network_policy(root: &mut Object) {
    let Some(spec) = object(root, "spec") else { return };
    let mut types = vec!["Ingress"];
    if spec.contains_key("egress") {
        types.push("Egress");
    }
    absent(spec, "policyTypes", json!(types));
    for direction in ["ingress", "egress"] {
        for rule in each(spec, direction) {
            each(rule, "ports").for_each(|it| absent(it, "protocol", "TCP"));
        }
    }
}

pub fn secret(root: &mut Object) {
    use base64::{Engine, engine::general_purpose::STANDARD};
    absent(root, "type", "Opaque");
    let Some(Value::Object(plain)) = root.shift_remove("stringData") else { return };
    let Some(data) = object_or_new(root, "data") else { return };
    for (key, value) in plain {
        let encoded = STANDARD.encode(value.as_str().unwrap_or_default());
        data.insert(key, Value::String(encoded));
    }
}

/// These fields are always written, even when they are empty.
pub fn event(root: &mut Object) {
    absent(root, "source", json!({}));
    for key in ["firstTimestamp", "lastTimestamp", "eventTime"] {
        absent(root, key, Value::Null);
    }
    for key in ["reportingComponent", "reportingInstance"] {
        absent(root, key, "");
    }
}

pub fn storage_class(root: &mut Object) {
    absent(root, "reclaimPolicy", "Delete");
    absent(root, "volumeBindingMode", "Immediate");
}

pub fn volume(root: &mut Object) {
    let Some(spec) = object(root, "spec") else { return };
    absent(spec, "persistentVolumeReclaimPolicy", "Retain");
    absent(spec, "volumeMode", "Filesystem");
    if let Some(path) = object(spec, "hostPath") {
        absent(path, "type", "");
    }
}

/// What a node's status always has, be it empty.
pub fn node(root: &mut Object) {
    const INFO: [&str; 10] = [
        "architecture",
        "bootID",
        "containerRuntimeVersion",
        "kernelVersion",
        "kubeProxyVersion",
        "kubeletVersion",
        "machineID",
        "operatingSystem",
        "osImage",
        "systemUUID",
    ];
    let Some(status) = object_or_new(root, "status") else { return };
    absent(status, "daemonEndpoints", json!({ "kubeletEndpoint": { "Port": 0 } }));
    if let Some(info) = object_or_new(status, "nodeInfo") {
        INFO.iter().for_each(|key| absent(info, key, ""));
    }
}

pub fn claim(root: &mut Object) {
    if let Some(spec) = object(root, "spec") {
        absent(spec, "volumeMode", "Filesystem");
    }
}

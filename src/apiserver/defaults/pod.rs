//! Pods and pod templates.

use super::{absent, each, object, object_or_new, text};
use crate::model::object::At;
use serde_json::{Map, Value, json};

type Object = Map<String, Value>;

/// `spec.template` or the like: only the pod's spec has defaults.
pub fn template(parent: &mut Object) {
    if let Some(template) = object(parent, "template") {
        object_or_new(template, "metadata");
        if let Some(spec) = object(template, "spec") {
            pod_spec(spec);
        }
    }
}

pub fn pod(root: &mut Object) {
    let Some(spec) = object(root, "spec") else { return };
    pod_spec(spec);
    absent(spec, "enableServiceLinks", true);
    for list in ["containers", "initContainers"] {
        each(spec, list).for_each(requests_from_limits);
    }
}

/// What the plugins Priority, ServiceAccount and DefaultTolerationSeconds do.
pub fn admit(root: &mut Object) {
    let Some(spec) = object(root, "spec") else { return };
    absent(spec, "preemptionPolicy", "PreemptLowerPriority");
    absent(spec, "priority", 0);
    if text(spec, "serviceAccountName").is_empty() {
        spec.insert("serviceAccountName".to_owned(), json!("default"));
    }
    let account = spec.get("serviceAccountName").cloned().unwrap_or_default();
    absent(spec, "serviceAccount", account);
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        tolerate(spec, key);
    }
}

/// Five minutes on a node that is gone, unless the pod says otherwise.
fn tolerate(spec: &mut Object, key: &str) {
    let list = spec.entry("tolerations").or_insert_with(|| json!([]));
    let Some(list) = list.as_array_mut() else { return };
    let covers = |it: &Value| {
        let told = it.get("key").and_then(Value::as_str).unwrap_or_default();
        let effect = it.get("effect").and_then(Value::as_str).unwrap_or_default();
        (told == key || told.is_empty()) && (effect == "NoExecute" || effect.is_empty())
    };
    if !list.iter().any(covers) {
        list.push(json!({ "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 }));
    }
}

fn requests_from_limits(container: &mut Object) {
    let Some(resources) = object(container, "resources") else { return };
    let Some(limits) = resources.get("limits").and_then(Value::as_object).cloned() else { return };
    let Some(requests) = object_or_new(resources, "requests") else { return };
    for (key, value) in limits {
        absent(requests, &key, value);
    }
}

pub fn pod_spec(spec: &mut Object) {
    absent(spec, "restartPolicy", "Always");
    absent(spec, "terminationGracePeriodSeconds", 30);
    absent(spec, "dnsPolicy", "ClusterFirst");
    absent(spec, "securityContext", json!({}));
    absent(spec, "schedulerName", "default-scheduler");
    let host_network = spec.get("hostNetwork").and_then(Value::as_bool).unwrap_or_default();
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for it in each(spec, list) {
            container(it, host_network);
        }
    }
    each(spec, "volumes").for_each(volume);
}

fn container(container: &mut Object, host_network: bool) {
    absent(container, "resources", json!({}));
    absent(container, "terminationMessagePath", "/dev/termination-log");
    absent(container, "terminationMessagePolicy", "File");
    let policy = if is_latest(text(container, "image")) { "Always" } else { "IfNotPresent" };
    absent(container, "imagePullPolicy", policy);
    for port in each(container, "ports") {
        absent(port, "protocol", "TCP");
        if host_network && let Some(number) = port.get("containerPort").cloned() {
            absent(port, "hostPort", number);
        }
    }
    for variable in each(container, "env") {
        if let Some(source) = object(variable, "valueFrom").and_then(|it| object(it, "fieldRef")) {
            absent(source, "apiVersion", "v1");
        }
    }
    for key in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(found) = object(container, key) {
            probe(found);
        }
    }
    if let Some(lifecycle) = object(container, "lifecycle") {
        for key in ["postStart", "preStop"] {
            if let Some(get) = object(lifecycle, key).and_then(|it| object(it, "httpGet")) {
                http_get(get);
            }
        }
    }
}

fn probe(probe: &mut Object) {
    if let Some(get) = object(probe, "httpGet") {
        http_get(get);
    }
    if let Some(grpc) = object(probe, "grpc") {
        absent(grpc, "service", "");
    }
    for (key, value) in [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
    {
        // Zero means not set: these fields have no pointer in Go.
        if probe.get(key).and_then(Value::as_i64) == Some(0) {
            probe.shift_remove(key);
        }
        absent(probe, key, value);
    }
}

fn http_get(get: &mut Object) {
    absent(get, "path", "/");
    absent(get, "scheme", "HTTP");
}

/// Whether an image names no tag, or `latest`; then it is always pulled.
fn is_latest(image: &str) -> bool {
    if image.contains('@') {
        return false;
    }
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

fn volume(volume: &mut Object) {
    for key in ["secret", "configMap", "projected", "downwardAPI"] {
        if let Some(source) = object(volume, key) {
            absent(source, "defaultMode", 420);
        }
    }
    if let Some(path) = object(volume, "hostPath") {
        absent(path, "type", "");
    }
    if let Some(source) = object(volume, "downwardAPI") {
        items(source);
    }
    for source in object(volume, "projected").into_iter().flat_map(|it| each(it, "sources")) {
        if let Some(token) = object(source, "serviceAccountToken") {
            absent(token, "expirationSeconds", 3600);
        }
        if let Some(downward) = object(source, "downwardAPI") {
            items(downward);
        }
    }
    if volume.len() == 1 {
        volume.insert("emptyDir".to_owned(), json!({}));
    }
}

fn items(source: &mut Object) {
    for item in each(source, "items") {
        if let Some(field) = object(item, "fieldRef") {
            absent(field, "apiVersion", "v1");
        }
    }
}

/// `Guaranteed`, `Burstable` or `BestEffort`, by the requests and limits of the containers.
pub fn quality_of_service(pod: &Value) -> &'static str {
    let containers = ["containers", "initContainers"].into_iter().filter_map(|it| pod.at(&format!("/spec/{it}")));
    let mut any = false;
    let mut guaranteed = true;
    for container in containers.filter_map(Value::as_array).flatten() {
        let part = |kind: &str, of: &str| container.at(&format!("/resources/{kind}/{of}"));
        for of in ["cpu", "memory"] {
            let (request, limit) = (part("requests", of), part("limits", of));
            any |= request.is_some() || limit.is_some();
            guaranteed &= limit.is_some() && (request.is_none() || request == limit);
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

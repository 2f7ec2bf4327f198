//! Pods and pod templates.

use super::{Faults, items, name, text};
use crate::apiserver::schema::quantity;
use crate::apiserver::status::FieldError;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Fields of a pod's spec that may change, beside the images.
const MUTABLE: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
    `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
    `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

pub fn check(pod: &Value, old: Option<&Value>, faults: &mut Faults) {
    let Some(spec) = pod.get("spec") else {
        faults.required("spec.containers", "");
        return;
    };
    check_spec(spec, "spec", faults);
    let Some(before) = old.and_then(|it| it.get("spec")) else { return };
    if let Some(list) = ["containers", "initContainers"].into_iter().find(|it| {
        let count = |spec| items(spec, it).len();
        count(spec) != count(before)
    }) {
        faults.add(FieldError::forbidden(format!("spec.{list}"), "pod updates may not add or remove containers"));
    } else if frozen(spec) != frozen(before) {
        faults.add(FieldError::forbidden("spec", MUTABLE));
    }
}

/// The spec without what may change. The node is bound once.
fn frozen(spec: &Value) -> Value {
    let mut spec = spec.clone();
    if let Some(map) = spec.as_object_mut() {
        for key in ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "nodeName"] {
            map.shift_remove(key);
        }
        for list in ["containers", "initContainers"] {
            for container in map.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                if let Some(container) = container.as_object_mut() {
                    container.shift_remove("image");
                }
            }
        }
    }
    spec
}

/// The spec of a pod, or of a template at `path`.
pub fn check_spec(spec: &Value, path: &str, faults: &mut Faults) {
    let volumes = check_volumes(spec, path, faults);
    let mut names = BTreeSet::new();
    if items(spec, "containers").is_empty() {
        faults.required(&format!("{path}.containers"), "");
    }
    for list in ["containers", "initContainers"] {
        for (index, container) in items(spec, list).iter().enumerate() {
            let field = format!("{path}.{list}[{index}]");
            check_container(container, &field, &volumes, faults);
            let found = text(container, "name");
            if !found.is_empty() && !names.insert(found.to_owned()) {
                faults.add(FieldError::duplicate(format!("{field}.name"), &json!(found)));
            }
        }
    }
    let policies = ["Always", "OnFailure", "Never"];
    faults.one_of(&format!("{path}.restartPolicy"), spec.get("restartPolicy"), &policies);
    let dns = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    faults.one_of(&format!("{path}.dnsPolicy"), spec.get("dnsPolicy"), &dns);
    faults.not_negative(&format!("{path}.terminationGracePeriodSeconds"), spec.get("terminationGracePeriodSeconds"));
}

fn check_volumes<'a>(spec: &'a Value, path: &str, faults: &mut Faults) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    for (index, volume) in items(spec, "volumes").iter().enumerate() {
        let field = format!("{path}.volumes[{index}].name");
        let found = text(volume, "name");
        if found.is_empty() {
            faults.required(&field, "");
            continue;
        }
        for fault in name::label_faults(found) {
            faults.invalid(&field, &json!(found), &fault);
        }
        if !names.insert(found) {
            faults.add(FieldError::duplicate(field, &json!(found)));
        }
    }
    names
}

fn check_container(container: &Value, path: &str, volumes: &BTreeSet<&str>, faults: &mut Faults) {
    let found = text(container, "name");
    if found.is_empty() {
        faults.required(&format!("{path}.name"), "");
    } else {
        for fault in name::label_faults(found) {
            faults.invalid(&format!("{path}.name"), &json!(found), &fault);
        }
    }
    let image = text(container, "image");
    if image.is_empty() {
        faults.required(&format!("{path}.image"), "");
    } else if image.trim() != image {
        faults.invalid(&format!("{path}.image"), &json!(image), "must not have leading or trailing whitespace");
    }
    check_ports(container, path, faults);
    for (index, variable) in items(container, "env").iter().enumerate() {
        check_variable(variable, &format!("{path}.env[{index}]"), faults);
    }
    for (index, mount) in items(container, "volumeMounts").iter().enumerate() {
        let field = format!("{path}.volumeMounts[{index}]");
        let volume = text(mount, "name");
        if volume.is_empty() {
            faults.required(&format!("{field}.name"), "");
        } else if !volumes.contains(volume) {
            faults.add(FieldError::not_found(format!("{field}.name"), &json!(volume)));
        }
        if text(mount, "mountPath").is_empty() {
            faults.required(&format!("{field}.mountPath"), "");
        }
    }
    for key in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get(key) {
            check_probe(probe, &format!("{path}.{key}"), key, faults);
        }
    }
    let policies = ["Always", "IfNotPresent", "Never"];
    faults.one_of(&format!("{path}.imagePullPolicy"), container.get("imagePullPolicy"), &policies);
    check_resources(container, &format!("{path}.resources"), faults);
}

fn check_ports(container: &Value, path: &str, faults: &mut Faults) {
    let mut names = BTreeSet::new();
    for (index, port) in items(container, "ports").iter().enumerate() {
        let field = format!("{path}.ports[{index}]");
        let found = text(port, "name");
        if !found.is_empty() {
            for fault in name::port_name_faults(found) {
                faults.invalid(&format!("{field}.name"), &json!(found), &fault);
            }
            if !names.insert(found) {
                faults.add(FieldError::duplicate(format!("{field}.name"), &json!(found)));
            }
        }
        match port.get("containerPort").and_then(Value::as_i64).unwrap_or(0) {
            0 => faults.required(&format!("{field}.containerPort"), ""),
            number => check_port(number, &format!("{field}.containerPort"), faults),
        }
        faults.one_of(&format!("{field}.protocol"), port.get("protocol"), &["TCP", "UDP", "SCTP"]);
    }
}

/// A port's number.
pub fn check_port(number: i64, field: &str, faults: &mut Faults) {
    if !(1..=65_535).contains(&number) {
        faults.invalid(field, &json!(number), "must be between 1 and 65535, inclusive");
    }
}

/// A port's number or name.
pub fn check_port_or_name(value: &Value, field: &str, faults: &mut Faults) {
    if let Some(number) = value.as_i64() {
        check_port(number, field, faults);
    } else {
        for fault in name::port_name_faults(value.as_str().unwrap_or_default()) {
            faults.invalid(field, value, &fault);
        }
    }
}

fn check_variable(variable: &Value, path: &str, faults: &mut Faults) {
    let found = text(variable, "name");
    if found.is_empty() {
        faults.required(&format!("{path}.name"), "");
    } else if found.bytes().any(|it| !(b' '..=b'~').contains(&it) || it == b'=') {
        let detail = "a valid environment variable name must consist only of printable ASCII characters other than '='";
        faults.invalid(&format!("{path}.name"), &json!(found), detail);
    }
    if !text(variable, "value").is_empty() && variable.get("valueFrom").is_some() {
        let detail = "may not be specified when `value` is not empty";
        faults.invalid(&format!("{path}.valueFrom"), &json!(""), detail);
    }
}

fn check_probe(probe: &Value, path: &str, key: &str, faults: &mut Faults) {
    let handlers: Vec<_> =
        ["exec", "httpGet", "tcpSocket", "grpc"].into_iter().filter(|it| probe.get(*it).is_some()).collect();
    match handlers.as_slice() {
        [] => faults.required(path, "must specify a handler type"),
        [_] => {}
        [_, more @ ..] => {
            for handler in more {
                let detail = "may not specify more than 1 handler type";
                faults.add(FieldError::forbidden(format!("{path}.{handler}"), detail));
            }
        }
    }
    for (handler, field) in [("httpGet", "port"), ("tcpSocket", "port")] {
        if let Some(port) = probe.get(handler).map(|it| it.get(field).unwrap_or(&Value::Null)) {
            check_port_or_name(port, &format!("{path}.{handler}.{field}"), faults);
        }
    }
    for field in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
        faults.not_negative(&format!("{path}.{field}"), probe.get(field));
    }
    let successes = probe.get("successThreshold").and_then(Value::as_i64).unwrap_or(1);
    if key != "readinessProbe" && successes != 1 {
        faults.invalid(&format!("{path}.successThreshold"), &json!(successes), "must be 1");
    }
}

fn check_resources(container: &Value, path: &str, faults: &mut Faults) {
    let part = |kind: &str| container.pointer(&format!("/resources/{kind}")).and_then(Value::as_object);
    let amount = |value: &Value| value.as_str().and_then(quantity::nano).unwrap_or(0);
    for kind in ["limits", "requests"] {
        for (name, value) in part(kind).into_iter().flatten() {
            if amount(value) < 0 {
                let detail = "must be greater than or equal to 0";
                faults.invalid(&format!("{path}.{kind}[{name}]"), value, detail);
            }
        }
    }
    for (name, value) in part("requests").into_iter().flatten() {
        if let Some(limit) = part("limits").and_then(|it| it.get(name))
            && amount(value) > amount(limit)
        {
            let limit = limit.as_str().unwrap_or_default();
            let detail = format!("must be less than or equal to {name} limit of {limit}");
            faults.invalid(&format!("{path}.requests"), value, &detail);
        }
    }
}

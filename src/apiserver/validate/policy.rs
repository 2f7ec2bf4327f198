//! Network policies, disruption budgets, claims, priority classes, events.

use super::pod::check_port_or_name;
use super::{Faults, items, text};
use crate::apiserver::status::FieldError;
use serde_json::{Value, json};

/// Highest value that a class of a user may have.
const MAX_PRIORITY: i64 = 1_000_000_000;
const ACCESS_MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

pub fn check_network_policy(object: &Value, faults: &mut Faults) {
    let empty = json!({});
    let spec = object.get("spec").unwrap_or(&empty);
    for direction in ["ingress", "egress"] {
        for (rule_index, rule) in items(spec, direction).iter().enumerate() {
            for (index, port) in items(rule, "ports").iter().enumerate() {
                let field = format!("spec.{direction}[{rule_index}].ports[{index}]");
                faults.one_of(&format!("{field}.protocol"), port.get("protocol"), &["SCTP", "TCP", "UDP"]);
                if let Some(number) = port.get("port") {
                    check_port_or_name(number, &format!("{field}.port"), faults);
                }
            }
        }
    }
    for (index, kind) in items(spec, "policyTypes").iter().enumerate() {
        faults.one_of(&format!("spec.policyTypes[{index}]"), Some(kind), &["Egress", "Ingress"]);
    }
}

pub fn check_disruption_budget(object: &Value, faults: &mut Faults) {
    let empty = json!({});
    let spec = object.get("spec").unwrap_or(&empty);
    if spec.get("minAvailable").is_some() && spec.get("maxUnavailable").is_some() {
        faults.invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set");
    }
    for key in ["minAvailable", "maxUnavailable"] {
        let field = format!("spec.{key}");
        match spec.get(key) {
            Some(Value::String(share)) => {
                let percent = share.strip_suffix('%').and_then(|it| it.parse::<u64>().ok());
                if percent.is_some_and(|it| it > 100) {
                    faults.invalid(&field, &json!(share), "must not be greater than 100%");
                } else if percent.is_none() {
                    let detail = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or \
                        '93%', regex used for validation is '[0-9]+%')";
                    faults.invalid(&field, &json!(share), detail);
                }
            }
            number => faults.not_negative(&field, number),
        }
    }
}

pub fn check_claim(object: &Value, faults: &mut Faults) {
    let empty = json!({});
    let spec = object.get("spec").unwrap_or(&empty);
    let modes = items(spec, "accessModes");
    if modes.is_empty() {
        faults.required("spec.accessModes", "at least 1 access mode is required");
    }
    for mode in modes {
        faults.one_of("spec.accessModes", Some(mode), &ACCESS_MODES);
    }
    if spec.pointer("/resources/requests/storage").is_none() {
        faults.required("spec.resources[storage]", "");
    }
}

pub fn check_priority_class(object: &Value, old: Option<&Value>, faults: &mut Faults) {
    let name = crate::apiserver::meta::text(object, "name");
    let value = object.get("value").and_then(Value::as_i64).unwrap_or(0);
    if name.starts_with("system-") {
        let detail = format!(
            "priority class names with 'system-' prefix are reserved for system use only. error: {name} is not a known \
             system priority class"
        );
        faults.add(FieldError::forbidden("metadata.name", &detail));
    } else if value > MAX_PRIORITY {
        let detail = format!("maximum allowed value of a user defined priority is {MAX_PRIORITY}");
        faults.add(FieldError::forbidden("value", &detail));
    }
    if old.is_some_and(|it| it.get("value") != object.get("value")) {
        faults.add(FieldError::forbidden("value", "may not be changed in an update."));
    }
}

/// An event lies in the namespace of what it is about.
pub fn check_event(object: &Value, faults: &mut Faults) {
    let namespace = crate::apiserver::meta::text(object, "namespace");
    let about = object.get("involvedObject").map_or("", |it| text(it, "namespace"));
    if !about.is_empty() && about != namespace {
        faults.invalid("involvedObject.namespace", &json!(about), "does not match event.namespace");
    }
}

//! Services and ingresses.

use super::pod::{check_port, check_port_or_name};
use super::{Faults, items, name, text};
use crate::apiserver::status::FieldError;
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub fn check_service(object: &Value, old: Option<&Value>, faults: &mut Faults) {
    let empty = json!({});
    let spec = object.get("spec").unwrap_or(&empty);
    let kind = text(spec, "type");
    let headless = text(spec, "clusterIP") == "None";
    if items(spec, "ports").is_empty() && kind != "ExternalName" && !headless {
        faults.required("spec.ports", "");
    }
    if kind == "ExternalName" && text(spec, "externalName").is_empty() {
        faults.required("spec.externalName", "");
    }
    check_service_ports(items(spec, "ports"), faults);
    faults.one_of("spec.sessionAffinity", spec.get("sessionAffinity"), &["ClientIP", "None"]);
    let kinds = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    faults.one_of("spec.type", spec.get("type"), &kinds);
    for (key, value) in spec.get("selector").and_then(Value::as_object).into_iter().flatten() {
        for fault in name::qualified_name_faults(key) {
            faults.invalid("spec.selector", &json!(key), &fault);
        }
        for fault in name::label_value_faults(value.as_str().unwrap_or_default()) {
            faults.invalid("spec.selector", value, &fault);
        }
    }
    let address = text(spec, "clusterIP");
    if !matches!(address, "" | "None") && address.parse::<std::net::IpAddr>().is_err() {
        let detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
        faults.invalid("spec.clusterIPs[0]", &json!(address), detail);
    }
    let before = old.map_or("", |it| it.pointer("/spec/clusterIP").and_then(Value::as_str).unwrap_or_default());
    if !before.is_empty() && before != address && kind != "ExternalName" {
        faults.invalid("spec.clusterIPs[0]", &json!([address]), "may not change once set");
    }
}

fn check_service_ports(ports: &[Value], faults: &mut Faults) {
    let (mut names, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    for (index, port) in ports.iter().enumerate() {
        let field = format!("spec.ports[{index}]");
        let found = text(port, "name");
        if found.is_empty() && ports.len() > 1 {
            faults.required(&format!("{field}.name"), "");
        } else if !found.is_empty() {
            for fault in name::label_faults(found) {
                faults.invalid(&format!("{field}.name"), &json!(found), &fault);
            }
            if !names.insert(found) {
                faults.add(FieldError::duplicate(format!("{field}.name"), &json!(found)));
            }
        }
        let number = port.get("port").and_then(Value::as_i64).unwrap_or(0);
        check_port(number, &format!("{field}.port"), faults);
        let protocol = text(port, "protocol");
        faults.one_of(&format!("{field}.protocol"), port.get("protocol"), &["SCTP", "TCP", "UDP"]);
        if let Some(target) = port.get("targetPort") {
            check_port_or_name(target, &format!("{field}.targetPort"), faults);
        }
        if !numbers.insert((number, protocol.to_owned())) {
            let twice = json!({ "port": number, "protocol": protocol });
            faults.add(FieldError::duplicate(field, &twice));
        }
    }
}

pub fn check_ingress(object: &Value, faults: &mut Faults) {
    let empty = json!({});
    let spec = object.get("spec").unwrap_or(&empty);
    if items(spec, "rules").is_empty() && spec.get("defaultBackend").is_none() {
        faults.invalid("spec", &json!({}), "either `defaultBackend` or `rules` must be specified");
    }
    if let Some(backend) = spec.get("defaultBackend") {
        check_backend(backend, "spec.defaultBackend", faults);
    }
    for (index, rule) in items(spec, "rules").iter().enumerate() {
        let field = format!("spec.rules[{index}]");
        let host = text(rule, "host");
        let host_faults = match host {
            "" => vec![],
            _ if host.starts_with('*') => name::wildcard_faults(host),
            _ => name::subdomain_faults(host),
        };
        for fault in host_faults {
            faults.invalid(&format!("{field}.host"), &json!(host), &fault);
        }
        let Some(http) = rule.get("http") else { continue };
        if items(http, "paths").is_empty() {
            faults.required(&format!("{field}.http.paths"), "");
        }
        for (index, path) in items(http, "paths").iter().enumerate() {
            check_path(path, &format!("{field}.http.paths[{index}]"), faults);
        }
    }
}

fn check_path(path: &Value, field: &str, faults: &mut Faults) {
    let kinds = ["Exact", "ImplementationSpecific", "Prefix"];
    let found = text(path, "path");
    match path.get("pathType") {
        None => faults.required(&format!("{field}.pathType"), "pathType must be specified"),
        Some(kind) if !kinds.contains(&kind.as_str().unwrap_or_default()) => {
            faults.add(FieldError::unsupported(format!("{field}.pathType"), kind, &kinds));
        }
        Some(kind) if kind.as_str() != Some("ImplementationSpecific") && !found.starts_with('/') => {
            faults.invalid(&format!("{field}.path"), &json!(found), "must be an absolute path");
        }
        Some(_) if !found.is_empty() && !found.starts_with('/') => {
            faults.invalid(&format!("{field}.path"), &json!(found), "must be an absolute path");
        }
        Some(_) => {}
    }
    match path.get("backend") {
        Some(backend) => check_backend(backend, &format!("{field}.backend"), faults),
        None => faults.required(&format!("{field}.backend"), ""),
    }
}

fn check_backend(backend: &Value, field: &str, faults: &mut Faults) {
    let Some(service) = backend.get("service") else {
        if backend.get("resource").is_none() {
            faults.required(field, "port name or number is required");
        }
        return;
    };
    if text(service, "name").is_empty() {
        faults.required(&format!("{field}.service.name"), "");
    }
    let port = service.get("port").unwrap_or(&Value::Null);
    match (text(port, "name"), port.get("number").and_then(Value::as_i64).unwrap_or(0)) {
        ("", 0) => faults.required(field, "port name or number is required"),
        ("", number) => check_port(number, &format!("{field}.service.port.number"), faults),
        (found, _) => {
            for fault in name::port_name_faults(found) {
                faults.invalid(&format!("{field}.service.port.name"), &json!(found), &fault);
            }
        }
    }
}

//! What server-side apply refuses before it merges: fields that the kind does not have, and values of the wrong type. The
//! texts are those of structured-merge-diff.

use super::{List, ListKind, Scalar, Schema, Shape};
use serde_json::Value;
use std::collections::BTreeSet;

/// One sentence per fault, in the order of the object: `.spec.foo: field not declared in schema`.
pub fn faults(schema: &Schema, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    check(schema, value, "", &mut faults);
    faults
}

fn check(schema: &Schema, value: &Value, path: &str, faults: &mut Vec<String>) {
    if value.is_null() {
        return;
    }
    match &schema.shape {
        Shape::Any => {}
        Shape::Scalar(scalar) => {
            if let Some(why) = wrong_scalar(*scalar, value) {
                faults.push(format!("{path}: {why}"));
            }
        }
        Shape::List(list) => match value.as_array() {
            Some(items) => check_items(list, items, path, faults),
            None => faults.push(format!("{path}: expected list, got &{{{}}}", go_text(value))),
        },
        Shape::Object(fields) => {
            let Some(map) = value.as_object() else {
                faults.push(format!("{path}: expected map, got &{{{}}}", go_text(value)));
                return;
            };
            for (key, item) in map {
                match fields.known.get(key).or(fields.others.as_ref()) {
                    Some(field) => check(field, item, &format!("{path}.{key}"), faults),
                    None if fields.keeps_unknown => {}
                    None => faults.push(format!("{path}.{key}: field not declared in schema")),
                }
            }
        }
    }
}

fn wrong_scalar(scalar: Scalar, value: &Value) -> Option<String> {
    match scalar {
        Scalar::Int32 | Scalar::Int64 | Scalar::Number if !value.is_number() => {
            Some(format!("expected numeric (int or float), got {}", go_type(value)))
        }
        Scalar::Boolean if !value.is_boolean() => Some(format!("expected boolean, got &{{{}}}", go_text(value))),
        Scalar::String | Scalar::Time | Scalar::Bytes if !value.is_string() => {
            Some(format!("expected string, got &value.valueUnstructured{{Value:{}}}", go_syntax(value)))
        }
        _ => None,
    }
}

fn check_items(list: &List, items: &[Value], path: &str, faults: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        let edge = match &list.kind {
            ListKind::Atomic => format!("[{index}]"),
            ListKind::Set => format!("[={item}]"),
            ListKind::Map(_) if !item.is_object() => {
                let why = "associative list with keys may not have non-map elements";
                faults.push(format!("{path}: element {index}: {why}"));
                continue;
            }
            ListKind::Map(keys) => key_of(keys, item),
        };
        if list.kind != ListKind::Atomic && !seen.insert(edge.clone()) {
            let what = if list.kind == ListKind::Set { "set item" } else { "key" };
            faults.push(format!("{path}: duplicate entries for {what} {edge}"));
        }
        check(&list.items, item, &format!("{path}{edge}"), faults);
    }
}

/// `[containerPort=80,protocol="TCP"]`
fn key_of(keys: &[String], item: &Value) -> String {
    let mut keys: Vec<_> = keys.iter().collect();
    keys.sort();
    let part = |key: &String| match &item[key.as_str()] {
        // The one key of the built-in kinds that has a default.
        Value::Null if key == "protocol" => Some("protocol=\"TCP\"".to_owned()),
        Value::Null => None,
        value => Some(format!("{key}={value}")),
    };
    format!("[{}]", keys.into_iter().filter_map(part).collect::<Vec<_>>().join(","))
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// As Go prints a value with `%v`: `map[a:1 b:[x y]]`.
pub fn go_text(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(go_text).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let mut fields: Vec<_> = map.iter().map(|(key, value)| format!("{key}:{}", go_text(value))).collect();
            fields.sort();
            format!("map[{}]", fields.join(" "))
        }
    }
}

/// As Go prints a value with `%#v`.
fn go_syntax(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
        Value::Array(items) => {
            format!("[]interface {{}}{{{}}}", items.iter().map(go_syntax).collect::<Vec<_>>().join(", "))
        }
        Value::Object(map) => {
            let mut fields: Vec<_> = map.iter().map(|(key, value)| format!("{key:?}:{}", go_syntax(value))).collect();
            fields.sort();
            format!("map[string]interface {{}}{{{}}}", fields.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_does_not_fit_is_told_with_its_way() {
        let schema = Schema::built_in("apps/v1", "Deployment");
        let pod = |spec: Value| json!({ "spec": { "template": { "spec": spec } } });
        for (value, expected) in [
            (json!({ "foo": 1 }), ".foo: field not declared in schema"),
            (json!({ "spec": { "replicas": "two" } }), ".spec.replicas: expected numeric (int or float), got string"),
            (json!({ "spec": { "paused": "two" } }), ".spec.paused: expected boolean, got &{two}"),
            (json!({ "spec": { "strategy": "two" } }), ".spec.strategy: expected map, got &{two}"),
            (
                pod(json!({ "containers": { "a": 1 } })),
                ".spec.template.spec.containers: expected list, got &{map[a:1]}",
            ),
            (
                pod(json!({ "containers": ["a"] })),
                ".spec.template.spec.containers: element 0: associative list with keys may not have non-map elements",
            ),
            (
                pod(json!({ "containers": [{ "name": "a" }, { "name": "a" }] })),
                ".spec.template.spec.containers: duplicate entries for key [name=\"a\"]",
            ),
            (
                pod(json!({ "containers": [{ "name": "a", "ports": [{ "containerPort": 80, "x": 1 }] }] })),
                ".spec.template.spec.containers[name=\"a\"].ports[containerPort=80,protocol=\"TCP\"].x: field not declared in \
                 schema",
            ),
            (
                pod(json!({ "containers": [{ "name": "a", "command": [1] }] })),
                ".spec.template.spec.containers[name=\"a\"].command[0]: expected string, got \
                 &value.valueUnstructured{Value:1}",
            ),
        ] {
            assert_eq!(faults(&schema, &value), [expected], "{value}");
        }
        let good =
            pod(json!({ "containers": [{ "name": "a", "resources": { "requests": { "cpu": 1 } }, "env": null }] }));
        assert!(faults(&schema, &good).is_empty());
    }
}

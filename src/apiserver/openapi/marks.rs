//! How lists and maps merge and which fields must be there, written into the schemas: from the tables by which this server itself merges.

use super::REF;
use crate::apiserver::schema::{ListKind, Schema, Shape};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Marks the type `name` and every type below it.
pub(super) fn mark(schemas: &mut Map<String, Value>, name: &str, own: &Arc<Schema>) {
    let mut done = BTreeSet::new();
    let mut waiting = vec![(name.to_owned(), Arc::clone(own))];
    while let Some((name, own)) = waiting.pop() {
        if !done.insert(name.clone()) {
            continue;
        }
        let Some(schema) = schemas.get_mut(&name) else { continue };
        if own.atomic {
            schema["x-kubernetes-map-type"] = json!("atomic");
        }
        if let (Shape::Object(fields), Some(map)) = (&own.shape, schema.as_object_mut()) {
            // The bindings count fields that cannot be missing in Rust; the server wants fewer.
            map.shift_remove("required");
            if !fields.required.is_empty() {
                map.insert("required".to_owned(), json!(fields.required));
            }
        }
        for (field, property) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
            if let Some(own) = own.field(field) {
                mark_value(property, own, &mut waiting);
            }
        }
    }
}

fn mark_value(value: &mut Value, own: &Arc<Schema>, waiting: &mut Vec<(String, Arc<Schema>)>) {
    let reference = value.get("$ref").or_else(|| value.pointer("/allOf/0/$ref"));
    if let Some(name) = reference.and_then(Value::as_str).and_then(|it| it.strip_prefix(REF)) {
        waiting.push((name.to_owned(), Arc::clone(own)));
    }
    strategy(value, own);
    match &own.shape {
        Shape::List(list) => {
            match &list.kind {
                ListKind::Atomic => {}
                ListKind::Set => value["x-kubernetes-list-type"] = json!("set"),
                ListKind::Map(keys) => {
                    value["x-kubernetes-list-type"] = json!("map");
                    value["x-kubernetes-list-map-keys"] = json!(keys);
                }
            }
            if let Some(items) = value.get_mut("items") {
                mark_value(items, &list.items, waiting);
            }
        }
        Shape::Object(fields) => {
            if own.name.is_empty() && own.atomic {
                value["x-kubernetes-map-type"] = json!("atomic");
            }
            if let (Some(others), Some(below)) = (&fields.others, value.get_mut("additionalProperties")) {
                mark_value(below, others, waiting);
            }
        }
        Shape::Any | Shape::Scalar(_) => {}
    }
}

fn strategy(value: &mut Value, own: &Schema) {
    let strategy = match (own.merge, own.retain_keys) {
        (true, true) => "merge,retainKeys",
        (true, false) => "merge",
        (false, true) => "retainKeys",
        (false, false) => return,
    };
    value["x-kubernetes-patch-strategy"] = json!(strategy);
    if let Some(key) = own.merge_key.as_ref().filter(|it| !it.is_empty()) {
        value["x-kubernetes-patch-merge-key"] = json!(key);
    }
}

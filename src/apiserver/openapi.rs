//! OpenAPI documents: what `kubectl explain` and the check before `kubectl apply` read. Types only, no prose.

use super::http::Document;
use super::kinds::{Kind, Version};
use super::schema::{Fields, List, ListKind, Scalar, Schema, Shape};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The document at a path below `/openapi`; None if there is none.
pub fn answer(kinds: &[Arc<Kind>], parts: &[&str]) -> Option<Document> {
    let value = match parts {
        ["v2"] => json!({ "swagger": "2.0", "info": info(), "paths": {}, "definitions": {} }),
        ["v3"] => index(kinds),
        ["v3", "api", version] => of_group(kinds, "", version)?,
        ["v3", "apis", group, version] => of_group(kinds, group, version)?,
        _ => return None,
    };
    Some(Document { media: "application/json", text: value.to_string() })
}

fn info() -> Value {
    json!({ "title": "Kubernetes", "version": super::discovery::GIT_VERSION })
}

fn index(kinds: &[Arc<Kind>]) -> Value {
    let mut paths = BTreeMap::new();
    for kind in kinds {
        for version in kind.versions.iter().filter(|it| it.served) {
            let group_version = kind.api_version_of(&version.name);
            let root = if kind.group.is_empty() { "api" } else { "apis" };
            let path = format!("{root}/{group_version}");
            let url = format!("/openapi/v3/{path}");
            paths.insert(path, json!({ "serverRelativeURL": url }));
        }
    }
    json!({ "paths": paths })
}

fn of_group(kinds: &[Arc<Kind>], group: &str, version: &str) -> Option<Value> {
    let mut components = BTreeMap::new();
    let mut paths = BTreeMap::new();
    for kind in kinds.iter().filter(|it| it.group == group) {
        if let Some(served) = kind.version(version) {
            describe(kind, served, &mut components);
            paths.insert(path(kind, version), operations(kind, version));
        }
    }
    (!paths.is_empty())
        .then(|| json!({ "openapi": "3.0.0", "info": info(), "paths": paths, "components": { "schemas": components } }))
}

fn path(kind: &Kind, version: &str) -> String {
    let root = if kind.group.is_empty() { "api" } else { "apis" };
    let namespace = if kind.namespaced { "namespaces/{namespace}/" } else { "" };
    format!("/{root}/{}/{namespace}{}/{{name}}", kind.api_version_of(version), kind.plural)
}

fn identity(kind: &Kind, version: &str) -> Value {
    json!({ "group": kind.group, "version": version, "kind": kind.kind })
}

/// The operations with the parameters that clients look for.
fn operations(kind: &Kind, version: &str) -> Value {
    let parameter =
        |name: &str| json!({ "name": name, "in": "query", "schema": { "type": "string", "uniqueItems": true } });
    let parameters: Vec<_> =
        ["dryRun", "fieldManager", "fieldValidation", "force"].into_iter().map(parameter).collect();
    let operation = |action: &str| {
        json!({
            "x-kubernetes-action": action, "x-kubernetes-group-version-kind": identity(kind, version),
            "parameters": parameters, "responses": { "200": { "description": "OK" } }
        })
    };
    json!({ "get": operation("get"), "put": operation("put"), "patch": operation("patch"), "delete": operation("delete") })
}

fn describe(kind: &Kind, version: &Version, components: &mut BTreeMap<String, Value>) {
    let name = if kind.custom { format!("{}.{}.{}", kind.group, version.name, kind.kind) } else { kind.kind.clone() };
    let mut value = shape(&version.schema, components);
    value["x-kubernetes-group-version-kind"] = json!([identity(kind, &version.name)]);
    components.insert(name, value);
}

/// A type where it is used: structs by reference, everything else in place.
fn used(schema: &Schema, components: &mut BTreeMap<String, Value>) -> Value {
    if schema.name.is_empty() {
        return shape(schema, components);
    }
    if !components.contains_key(&schema.name) {
        // First the name, so that the type may come up again below itself.
        components.insert(schema.name.clone(), Value::Null);
        let value = shape(schema, components);
        components.insert(schema.name.clone(), value);
    }
    json!({ "allOf": [{ "$ref": format!("#/components/schemas/{}", schema.name) }] })
}

fn shape(schema: &Schema, components: &mut BTreeMap<String, Value>) -> Value {
    match &schema.shape {
        Shape::Any => json!({ "x-kubernetes-preserve-unknown-fields": true }),
        Shape::Scalar(it) => scalar(*it),
        Shape::List(it) => list(schema, it, components),
        Shape::Object(it) => object(schema, it, components),
    }
}

fn scalar(scalar: Scalar) -> Value {
    match scalar {
        Scalar::String => json!({ "type": "string" }),
        Scalar::Int32 => json!({ "type": "integer", "format": "int32" }),
        Scalar::Int64 => json!({ "type": "integer", "format": "int64" }),
        Scalar::Number => json!({ "type": "number" }),
        Scalar::Boolean => json!({ "type": "boolean" }),
        Scalar::Time => json!({ "type": "string", "format": "date-time" }),
        Scalar::Quantity => json!({ "oneOf": [{ "type": "string" }, { "type": "number" }] }),
        Scalar::IntOrString => {
            json!({ "oneOf": [{ "type": "integer" }, { "type": "string" }], "format": "int-or-string" })
        }
        Scalar::Bytes => json!({ "type": "string", "format": "byte" }),
    }
}

fn list(schema: &Schema, list: &List, components: &mut BTreeMap<String, Value>) -> Value {
    let mut value = json!({ "type": "array", "items": used(&list.items, components) });
    match &list.kind {
        ListKind::Atomic => value["x-kubernetes-list-type"] = json!("atomic"),
        ListKind::Set => value["x-kubernetes-list-type"] = json!("set"),
        ListKind::Map(keys) => {
            value["x-kubernetes-list-type"] = json!("map");
            value["x-kubernetes-list-map-keys"] = json!(keys);
        }
    }
    if schema.merge {
        let strategy = if schema.retain_keys { "merge,retainKeys" } else { "merge" };
        value["x-kubernetes-patch-strategy"] = json!(strategy);
    }
    if let Some(key) = &schema.merge_key {
        value["x-kubernetes-patch-merge-key"] = json!(key);
    }
    value
}

fn object(schema: &Schema, fields: &Fields, components: &mut BTreeMap<String, Value>) -> Value {
    let mut value = json!({ "type": "object" });
    if !fields.known.is_empty() {
        let known = fields.known.iter().map(|(name, field)| (name.clone(), used(field, components)));
        value["properties"] = Value::Object(known.collect::<Map<_, _>>());
    }
    if !fields.required.is_empty() {
        value["required"] = json!(fields.required);
    }
    if let Some(others) = &fields.others {
        value["additionalProperties"] = used(others, components);
    }
    if fields.keeps_unknown {
        value["x-kubernetes-preserve-unknown-fields"] = json!(true);
    }
    if schema.atomic {
        value["x-kubernetes-map-type"] = json!("atomic");
    }
    value
}

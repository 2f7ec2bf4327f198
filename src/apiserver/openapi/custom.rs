//! Custom kinds: the schema of the definition, with what every object has beside it; and lists of any kind.

use super::REF;
use crate::apiserver::kinds::Kind;
use serde_json::{Map, Value, json};

const API_VERSION: &str = "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources";
const KIND: &str = "Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";
const METADATA: &str = "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";
const LIST_METADATA: &str = "Standard list metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";
const CONVENTIONS: &str = "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md";
const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.";

/// `app.flagger.v1beta1.Canary`: the group backwards.
fn name(kind: &Kind, version: &str) -> String {
    let mut parts: Vec<_> = kind.group.split('.').collect();
    parts.reverse();
    format!("{}.{version}.{}", parts.join("."), kind.kind)
}

fn referring(description: &str, name: &str) -> Value {
    json!({ "description": description, "allOf": [{ "$ref": format!("{REF}{META}{name}") }] })
}

/// Adds the kind; its name among the schemas.
pub(super) fn add(kind: &Kind, version: &str, definition: Option<&Value>, schemas: &mut Map<String, Value>) -> String {
    let name = name(kind, version);
    let versions =
        definition.and_then(|it| it.pointer("/spec/versions")).and_then(Value::as_array).into_iter().flatten();
    let found = versions.into_iter().find(|it| it["name"] == json!(version));
    let found = found.and_then(|it| it.pointer("/schema/openAPIV3Schema")).cloned();
    let mut schema = found.filter(Value::is_object).unwrap_or_else(|| json!({ "type": "object" }));
    publish(&mut schema);
    if !schema["properties"].is_object() {
        schema["properties"] = json!({});
    }
    schema["properties"]["apiVersion"] = json!({ "type": "string", "description": API_VERSION });
    schema["properties"]["kind"] = json!({ "type": "string", "description": KIND });
    schema["properties"]["metadata"] = referring(METADATA, "ObjectMeta");
    schemas.insert(name.clone(), schema);
    name
}

/// What the real server adds when it publishes a schema: numbers that may be texts say so in plain words too.
fn publish(schema: &mut Value) {
    let Some(map) = schema.as_object_mut() else { return };
    if map.get("x-kubernetes-int-or-string") == Some(&json!(true)) && !map.contains_key("allOf") {
        map.entry("anyOf").or_insert_with(|| json!([{ "type": "integer" }, { "type": "string" }]));
    }
    for key in ["items", "additionalProperties"] {
        map.get_mut(key).into_iter().for_each(publish);
    }
    map.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten().for_each(|(_, it)| publish(it));
}

/// The type of a list of the kind whose type is `name`.
pub(super) fn list(kind: &Kind, name: &str) -> Value {
    json!({
        "description": format!("{} is a list of {}", kind.list_kind, kind.kind), "type": "object", "required": ["items"],
        "properties": {
            "apiVersion": { "type": "string", "description": API_VERSION },
            "items": {
                "description": format!("List of {}. More info: {CONVENTIONS}", kind.plural),
                "type": "array", "items": { "$ref": format!("{REF}{name}") }
            },
            "kind": { "type": "string", "description": KIND },
            "metadata": referring(LIST_METADATA, "ListMeta")
        }
    })
}

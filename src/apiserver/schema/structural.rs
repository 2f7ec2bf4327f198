//! Reads the structural schema of a CRD (`openAPIV3Schema`).

use super::{Fields, List, ListKind, Rules, Scalar, Schema, Shape};
use regex::Regex;
use serde_json::{Map, Value};
use std::sync::Arc;

/// Deepest nesting that is read; what lies deeper may be anything.
const MAX_DEPTH: usize = 64;

/// The type that a CRD's schema describes. `metadata` and the type's own fields are those of every object.
pub fn read_root(schema: &Value) -> Schema {
    let mut root = read(schema, 0);
    if let Shape::Object(fields) = &mut root.shape {
        let text = Arc::new(Schema::scalar(Scalar::String));
        fields.known.insert("apiVersion".to_owned(), Arc::clone(&text));
        fields.known.insert("kind".to_owned(), text);
        fields.known.insert("metadata".to_owned(), Schema::object_meta());
    }
    root
}

fn flag(map: &Map<String, Value>, key: &str) -> bool {
    map.get(key).and_then(Value::as_bool).unwrap_or_default()
}

fn text<'a>(map: &'a Map<String, Value>, key: &str) -> &'a str {
    map.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn read(schema: &Value, depth: usize) -> Schema {
    let Some(map) = schema.as_object().filter(|_| depth < MAX_DEPTH) else { return Schema::default() };
    let int_or_string = flag(map, "x-kubernetes-int-or-string");
    let kind = text(map, "type");
    let shape = match kind {
        _ if int_or_string => Shape::Scalar(Scalar::IntOrString),
        "string" => Shape::Scalar(Scalar::String),
        "integer" => Shape::Scalar(Scalar::Int64),
        "number" => Shape::Scalar(Scalar::Number),
        "boolean" => Shape::Scalar(Scalar::Boolean),
        "array" => Shape::List(list(map, depth)),
        _ if kind == "object" || map.contains_key("properties") || map.contains_key("required") => {
            Shape::Object(fields(map, depth))
        }
        _ => Shape::Any,
    };
    let atomic = text(map, "x-kubernetes-map-type") == "atomic";
    let rules = Some(Box::new(rules(map, depth, !kind.is_empty() || int_or_string)));
    Schema { shape, atomic, rules, ..Schema::default() }
}

fn list(map: &Map<String, Value>, depth: usize) -> List {
    let items = Arc::new(map.get("items").map(|it| read(it, depth + 1)).unwrap_or_default());
    let keys = map.get("x-kubernetes-list-map-keys").and_then(Value::as_array).into_iter().flatten();
    let kind = match text(map, "x-kubernetes-list-type") {
        "set" => ListKind::Set,
        "map" => ListKind::Map(keys.filter_map(|it| it.as_str().map(str::to_owned)).collect()),
        _ => ListKind::Atomic,
    };
    List { items, kind }
}

fn fields(map: &Map<String, Value>, depth: usize) -> Fields {
    let known = map.get("properties").and_then(Value::as_object).into_iter().flatten();
    let known = known.map(|(name, schema)| (name.clone(), Arc::new(read(schema, depth + 1)))).collect();
    let required = map.get("required").and_then(Value::as_array).into_iter().flatten();
    let required = required.filter_map(|it| it.as_str().map(str::to_owned)).collect();
    let others = match map.get("additionalProperties") {
        Some(Value::Bool(false)) | None => None,
        Some(Value::Bool(true)) => Some(Arc::default()),
        Some(schema) => Some(Arc::new(read(schema, depth + 1))),
    };
    let keeps_unknown = flag(map, "x-kubernetes-preserve-unknown-fields")
        || flag(map, "x-kubernetes-embedded-resource")
        || text(map, "type").is_empty();
    Fields { known, required, others, keeps_unknown }
}

fn rules(map: &Map<String, Value>, depth: usize, typed: bool) -> Rules {
    let number = |key: &str| map.get(key).and_then(Value::as_f64);
    let count = |key: &str| map.get(key).and_then(Value::as_u64);
    let schemas = |key: &str| {
        let list = map.get(key).and_then(Value::as_array).into_iter().flatten();
        list.map(|it| read(it, depth + 1)).collect()
    };
    Rules {
        typed,
        nullable: flag(map, "nullable"),
        default: map.get("default").cloned(),
        allowed: map.get("enum").and_then(Value::as_array).cloned(),
        pattern: map.get("pattern").and_then(Value::as_str).and_then(|it| Regex::new(it).ok()),
        format: text(map, "format").to_owned(),
        minimum: number("minimum"),
        maximum: number("maximum"),
        exclusive_minimum: flag(map, "exclusiveMinimum"),
        exclusive_maximum: flag(map, "exclusiveMaximum"),
        multiple_of: number("multipleOf"),
        min_length: count("minLength"),
        max_length: count("maxLength"),
        min_items: count("minItems"),
        max_items: count("maxItems"),
        min_properties: count("minProperties"),
        max_properties: count("maxProperties"),
        all_of: schemas("allOf"),
        any_of: schemas("anyOf"),
        one_of: schemas("oneOf"),
        not: map.get("not").map(|it| read(it, depth + 1)),
    }
}

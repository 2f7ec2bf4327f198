//! The older document, Swagger 2.0: one for all groups. Its types are those of the newer one in its words.

use super::{REF, info};
use serde_json::{Map, Value, json};

/// Puts the documents of the group versions into one.
pub(super) fn document(groups: impl Iterator<Item = Value>) -> Value {
    let (mut paths, mut definitions) = (Map::new(), Map::new());
    for mut group in groups {
        if let Value::Object(of) = group["paths"].take() {
            paths.extend(of.into_iter().map(|(path, operations)| (path, older_path(operations))));
        }
        if let Value::Object(of) = group["components"]["schemas"].take() {
            for (name, mut schema) in of {
                older(&mut schema);
                definitions.insert(name, schema);
            }
        }
    }
    json!({ "swagger": "2.0", "info": info(), "paths": paths, "definitions": definitions })
}

fn older_path(mut operations: Value) -> Value {
    for (_, operation) in operations.as_object_mut().into_iter().flatten() {
        for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
            let kind = parameter["schema"]["type"].take();
            *parameter = json!({ "name": parameter["name"], "in": "query", "type": kind, "uniqueItems": true });
        }
        let mut shown =
            operation.pointer("/responses/200/content/application~1json/schema").cloned().unwrap_or_default();
        older(&mut shown);
        operation["responses"] = json!({ "200": { "description": "OK", "schema": shown } });
        operation["produces"] = json!(["application/json", "application/yaml"]);
    }
    operations
}

/// Words that Swagger 2.0 does not have are left out, as the real server does.
fn older(schema: &mut Value) {
    let Some(map) = schema.as_object_mut() else { return };
    let told = |it: &Value| it["$ref"].as_str().and_then(|it| it.strip_prefix(REF)).map(str::to_owned);
    if let Some(name) = map.get("allOf").and_then(|it| told(&it[0])) {
        map.shift_remove("allOf");
        map.insert("$ref".to_owned(), json!(format!("#/definitions/{name}")));
    } else if let Some(name) = told(&Value::Object(map.clone())) {
        map.insert("$ref".to_owned(), json!(format!("#/definitions/{name}")));
    }
    if map.contains_key("oneOf") && !map.contains_key("properties") {
        map.entry("type").or_insert_with(|| json!("string"));
    }
    for key in ["oneOf", "anyOf", "allOf", "not", "nullable", "default"] {
        map.shift_remove(key);
    }
    if map.get("x-kubernetes-preserve-unknown-fields") == Some(&json!(true)) {
        // A client of the older document would drop what it does not find in it.
        for key in ["type", "properties", "items"] {
            map.shift_remove(key);
        }
    }
    for key in ["items", "additionalProperties"] {
        map.get_mut(key).into_iter().for_each(older);
    }
    map.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten().for_each(|(_, it)| older(it));
}

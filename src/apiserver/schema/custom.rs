//! Custom objects: pruning and defaulting by their structural schema.

use super::{Schema, Shape};
use serde_json::Value;

/// Drops what the schema does not know; the paths of what was dropped are added to `unknown`.
pub fn prune(schema: &Schema, value: &mut Value, path: &str, unknown: &mut Vec<String>) {
    match (&schema.shape, value) {
        (Shape::Object(fields), Value::Object(map)) => {
            let mut dropped = Vec::new();
            for (key, item) in map.iter_mut() {
                let place = joined(path, key);
                match fields.known.get(key).or(fields.others.as_ref()) {
                    Some(field) => prune(field, item, &place, unknown),
                    None if fields.keeps_unknown => {}
                    None => {
                        unknown.push(place);
                        dropped.push(key.clone());
                    }
                }
            }
            for key in dropped {
                map.shift_remove(&key);
            }
        }
        (Shape::List(list), Value::Array(items)) => {
            for (index, item) in items.iter_mut().enumerate() {
                prune(&list.items, item, &format!("{path}[{index}]"), unknown);
            }
        }
        _ => {}
    }
}

/// Fills in the defaults. A null where null is not allowed counts as missing.
pub fn default(schema: &Schema, value: &mut Value) {
    match (&schema.shape, value) {
        (Shape::Object(fields), Value::Object(map)) => {
            for (key, field) in &fields.known {
                let Some(rules) = &field.rules else { continue };
                if !rules.nullable && map.get(key).is_some_and(Value::is_null) {
                    map.shift_remove(key);
                }
                if let (Some(default), false) = (&rules.default, map.contains_key(key)) {
                    map.insert(key.clone(), default.clone());
                }
            }
            for (key, item) in map.iter_mut() {
                if let Some(field) = fields.known.get(key).or(fields.others.as_ref()) {
                    default(field, item);
                }
            }
        }
        (Shape::List(list), Value::Array(items)) => items.iter_mut().for_each(|it| default(&list.items, it)),
        _ => {}
    }
}

/// `spec.service.port`
pub fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

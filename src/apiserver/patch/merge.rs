//! JSON merge patch, RFC 7386.

use serde_json::{Map, Value};

/// The target after the patch: null removes, objects merge, everything else replaces.
#[must_use]
pub fn apply(target: Value, patch: Value) -> Value {
    let Value::Object(patch) = patch else { return patch };
    let mut merged = match target {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    for (key, value) in patch {
        if value.is_null() {
            merged.shift_remove(&key);
            continue;
        }
        let old = merged.get_mut(&key).map(Value::take).unwrap_or_default();
        merged.insert(key, apply(old, value));
    }
    Value::Object(merged)
}

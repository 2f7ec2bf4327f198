//! How deep an object may be.

use super::status::Status;
use serde_json::Value;

/// Deepest nesting of an object. Walks over objects recurse, and `managedFields` goes a few levels deeper than what it
/// describes; serde_json itself reads 127 levels.
pub const MAX_DEPTH: usize = 100;

/// How deep a value is; a text or a number is 0.
pub fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

pub fn too_deep() -> Status {
    Status::bad_request(format!("the object is nested deeper than the {MAX_DEPTH} levels that this server takes"))
}

/// The value, unless it is too deep.
pub fn shallow(value: Value) -> Result<Value, Status> {
    if depth(&value) > MAX_DEPTH { Err(too_deep()) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_lists_and_objects() {
        let deep = |levels: usize| serde_json::from_str::<Value>(&("[".repeat(levels) + &"]".repeat(levels))).unwrap();
        assert_eq!((depth(&Value::Null), depth(&deep(1)), depth(&deep(7))), (0, 1, 7));
        assert!(shallow(deep(MAX_DEPTH)).is_ok());
        assert_eq!(shallow(deep(MAX_DEPTH + 1)).unwrap_err().code, 400);
    }
}

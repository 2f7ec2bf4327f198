//! JSON patch, RFC 6902, with what `evanphx/json-patch` 4 makes of it.

use crate::apiserver::json::{self, MAX_DEPTH};
use crate::apiserver::status::{Reason, Status};
use json_patch::{AddOperation, Patch, PatchOperation};
use serde_json::Value;

/// Most operations in one patch, as the real server limits them.
pub const MAX_OPERATIONS: usize = 10_000;
/// Most bytes that all `copy` operations of a patch may add, as JSON; so a patch cannot double an object again and again.
pub const MAX_COPIED_BYTES: usize = 3 * 1024 * 1024;

/// The target after the operations, or nothing changed and why.
pub fn apply(target: &Value, patch: Value) -> Result<Value, Status> {
    let is_list_of_objects = patch.as_array().is_some_and(|it| it.iter().all(Value::is_object));
    let operations: Patch = serde_json::from_value(patch).map_err(|it| {
        if is_list_of_objects { rejected() } else { Status::bad_request(format!("error decoding patch: {it}")) }
    })?;
    if operations.0.len() > MAX_OPERATIONS {
        let message =
            format!("The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {}", operations.0.len());
        return Err(Status::new(413, Reason::RequestEntityTooLarge, message));
    }
    let mut patched = target.clone();
    let mut copied = 0;
    for operation in &operations.0 {
        let Some(operation) = as_go_does(&patched, operation.clone()) else { continue };
        check_growth(&patched, &operation, &mut copied)?;
        json_patch::patch(&mut patched, &[operation]).map_err(|_| rejected())?;
    }
    Ok(patched)
}

/// A field that an object does not have counts as null in the real server's library: it can be replaced, and a test for null
/// finds it. None: nothing is to be done.
fn as_go_does(object: &Value, operation: PatchOperation) -> Option<PatchOperation> {
    let missing = |path: &str| {
        let parent = path.rsplit_once('/').and_then(|(parent, _)| object.pointer(parent));
        parent.is_some_and(Value::is_object) && object.pointer(path).is_none()
    };
    match operation {
        PatchOperation::Replace(it) if missing(it.path.as_str()) => {
            Some(PatchOperation::Add(AddOperation { path: it.path, value: it.value }))
        }
        PatchOperation::Test(it) if it.value.is_null() && missing(it.path.as_str()) => None,
        other => Some(other),
    }
}

/// The real server keeps the reason to itself.
fn rejected() -> Status {
    Status::new(422, Reason::Invalid, "the server rejected our request due to an error in our request")
}

/// Refuses what would make the object deeper or larger than any body can.
fn check_growth(object: &Value, operation: &PatchOperation, copied: &mut usize) -> Result<(), Status> {
    let (path, added) = match operation {
        PatchOperation::Add(it) => (it.path.as_str(), Some(&it.value)),
        PatchOperation::Replace(it) => (it.path.as_str(), Some(&it.value)),
        PatchOperation::Copy(it) => (it.path.as_str(), object.pointer(it.from.as_str())),
        PatchOperation::Move(it) => (it.path.as_str(), object.pointer(it.from.as_str())),
        PatchOperation::Remove(_) | PatchOperation::Test(_) => return Ok(()),
    };
    let Some(added) = added else { return Ok(()) };
    if let PatchOperation::Copy(_) = operation {
        *copied += added.to_string().len();
        if *copied > MAX_COPIED_BYTES {
            let message = format!("Unable to complete the copy, the accumulated size increase of copy is {copied}");
            return Err(Status::new(413, Reason::RequestEntityTooLarge, message));
        }
    }
    if path.matches('/').count() + json::depth(added) > MAX_DEPTH {
        return Err(json::too_deep());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn copies_cannot_double_an_object_again_and_again() {
        let target = json!({ "a": { "text": "x".repeat(100) } });
        let doubling = |count: usize| {
            let copies = (0..count).map(|it| json!({ "op": "copy", "from": "/a", "path": format!("/a/c{it}") }));
            copies.collect::<Value>()
        };
        assert!(apply(&target, doubling(5)).is_ok());
        assert_eq!(apply(&target, doubling(64)).unwrap_err().code, 413);
    }

    #[test]
    fn no_patch_makes_an_object_deeper_than_a_body_can_be() {
        let deep = (0..MAX_DEPTH - 10).fold(json!(1), |inner, _| json!({ "a": inner }));
        let target = json!({ "a": deep });
        let into = |count: usize| json!([{ "op": "copy", "from": "/a", "path": format!("{}/b", "/a".repeat(count)) }]);
        assert!(apply(&target, into(5)).is_ok());
        assert_eq!(apply(&target, into(40)).unwrap_err().code, 400);
    }
}

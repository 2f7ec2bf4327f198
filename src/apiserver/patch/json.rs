//! JSON patch, RFC 6902.

use crate::apiserver::status::{Reason, Status};
use serde_json::Value;

/// Most operations in one patch, as the real server limits them.
pub const MAX_OPERATIONS: usize = 10_000;

/// The target after the operations, or nothing changed and why.
pub fn apply(target: &Value, patch: Value) -> Result<Value, Status> {
    let operations: json_patch::Patch =
        serde_json::from_value(patch).map_err(|it| Status::bad_request(format!("error decoding patch: {it}")))?;
    if operations.0.len() > MAX_OPERATIONS {
        let message =
            format!("The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {}", operations.0.len());
        return Err(Status::new(413, Reason::RequestEntityTooLarge, message));
    }
    let mut patched = target.clone();
    json_patch::patch(&mut patched, &operations.0).map_err(|it| {
        let message = format!("the server rejected our request due to an error in our request: {it}");
        Status::new(422, Reason::Invalid, message)
    })?;
    Ok(patched)
}

//! Versions of one kind: objects are kept in one of them and shown in the one that is asked for.

use super::{autoscaler, events};
use crate::apiserver::kinds::{Kind, resource};
use crate::apiserver::object::Object;
#[cfg(doc)]
use crate::apiserver::options::WriteOptions;
use crate::apiserver::status::Status;
use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Value, json};
use std::sync::Arc;

/// The object as the asked version shows it. Versions of custom kinds differ in `apiVersion` only (conversion `None`).
pub fn at_version(kind: &Kind, version: &str, object: &Arc<Value>) -> Arc<Value> {
    let own = object.get("kind").and_then(Value::as_str) == Some(kind.kind.as_str());
    if own && kind.key == resource::EVENTS_V1 {
        return Arc::new(events::to_new(object));
    }
    if own && !spoken(kind, version).is_empty() {
        return Arc::new(autoscaler::to_old(object));
    }
    if !own || kind.storage().name == version {
        return Arc::clone(object);
    }
    let mut shown = (**object).clone();
    shown["apiVersion"] = json!(kind.api_version_of(version));
    Arc::new(shown)
}

/// The JSON of the object as the asked version shows it.
pub fn text_at_version(kind: &Kind, version: &str, object: &Object) -> Bytes {
    if is_kept(kind, version) {
        return object.json();
    }
    Bytes::from(at_version(kind, version, &object.glance()).to_string())
}

/// Writes the JSON of the object as the asked version shows it.
pub fn write_at_version(kind: &Kind, version: &str, object: &Object, text: &mut BytesMut) {
    if is_kept(kind, version) {
        text.put_slice(object.json_text());
    } else {
        text.put_slice(&text_at_version(kind, version, object));
    }
}

/// Whether objects of the kind are kept in the very form in which this version shows them.
pub fn is_kept(kind: &Kind, version: &str) -> bool {
    kind.key != resource::EVENTS_V1 && kind.storage().name == version
}

/// An applied configuration must say what it is.
pub fn check_applied(kind: &Kind, version: &str, config: &Value) -> Result<(), Status> {
    let text = |key: &str| config.get(key).and_then(Value::as_str).unwrap_or_default();
    let (api_version, found) = (text("apiVersion"), text("kind"));
    if (api_version, found) == (kind.api_version_of(version).as_str(), kind.kind.as_str()) {
        return Ok(());
    }
    let group_version = if api_version.contains('/') { api_version.to_owned() } else { format!("/{api_version}") };
    Err(Status::bad_request(format!("invalid object type: {group_version}, Kind={found}")))
}

/// The version if its fields are others than those that are kept, as [`WriteOptions::version`] has it; else empty.
pub fn spoken(kind: &Kind, version: &str) -> &'static str {
    let older = kind.key == resource::HORIZONTAL_POD_AUTOSCALERS && version == autoscaler::VERSION;
    if older { autoscaler::VERSION } else { "" }
}

/// An object that has been decoded in the version in which it was written, in the version that is kept.
pub fn decoded_to_storage(kind: &Kind, version: &str, mut object: Value) -> Value {
    if kind.key != resource::HORIZONTAL_POD_AUTOSCALERS {
        return object;
    }
    if !spoken(kind, version).is_empty() {
        return autoscaler::to_new(&kind.storage().schema, object);
    }
    autoscaler::drop_annotations(&mut object);
    object
}

/// The object in the version that is kept, or in one that is [`spoken`]; it must say the version of the address or none.
pub fn to_storage(kind: &Kind, version: &str, mut object: Value) -> Result<Value, Status> {
    let expected = kind.api_version_of(version);
    let Some(root) = object.as_object_mut() else {
        let message = format!("the object provided is unrecognized (must be of type {})", kind.kind);
        return Err(Status::bad_request(message));
    };
    match root.get("apiVersion").and_then(Value::as_str) {
        None | Some("") => {}
        Some(found) if found == expected => {}
        Some(found) => {
            let message =
                format!("the API version in the data ({found}) does not match the expected API version ({expected})");
            return Err(Status::bad_request(message));
        }
    }
    let kept = if spoken(kind, version).is_empty() { kind.api_version() } else { expected };
    root.insert("apiVersion".to_owned(), json!(kept));
    if kind.key == resource::EVENTS_V1 {
        return Ok(events::to_core(&object));
    }
    Ok(object)
}

/// The resource under which the objects of a kind are kept: its own, but for the second face of events.
pub fn kept_as(kind: &Kind) -> &str {
    if kind.key == resource::EVENTS_V1 { resource::EVENTS } else { &kind.key }
}

//! What every object has: `metadata`, read and written on JSON values.

use crate::model::object::At;
use serde_json::{Map, Value};

/// A text below `metadata`; empty if it is not there.
pub fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get("metadata").and_then(|it| it.get(key)).and_then(Value::as_str).unwrap_or_default()
}

/// `metadata` of an object that has one; decoding has made sure of it.
pub fn of(object: &mut Value) -> &mut Map<String, Value> {
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    let root = object.as_object_mut().expect("it is an object");
    let metadata = root.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    if !metadata.is_object() {
        *metadata = Value::Object(Map::new());
    }
    metadata.as_object_mut().expect("it is an object")
}

/// Sets a text below `metadata`.
pub fn set(object: &mut Value, key: &str, value: impl Into<Value>) {
    of(object).insert(key.to_owned(), value.into());
}

/// Copies a field of `metadata` from one object to the other, or removes it there.
pub fn keep(from: &Value, to: &mut Value, key: &str) {
    match from.get("metadata").and_then(|it| it.get(key)) {
        Some(value) => of(to).insert(key.to_owned(), value.clone()),
        None => of(to).remove(key),
    };
}

/// Whether its deletion has begun.
pub fn is_terminating(object: &Value) -> bool {
    object.at("/metadata/deletionTimestamp").is_some_and(|it| !it.is_null())
}

pub fn finalizers(object: &Value) -> impl Iterator<Item = &str> {
    object.at("/metadata/finalizers").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

pub fn has_finalizers(object: &Value) -> bool {
    finalizers(object).next().is_some()
}

/// Adds a finalizer if it is not there yet.
pub fn add_finalizer(object: &mut Value, name: &str) {
    if finalizers(object).all(|it| it != name) {
        let list = of(object).entry("finalizers").or_insert_with(|| Value::Array(vec![]));
        if let Some(list) = list.as_array_mut() {
            list.push(Value::from(name));
        }
    }
}

/// Takes a finalizer away; the field goes with the last one.
pub fn remove_finalizer(object: &mut Value, name: &str) {
    let Some(list) = of(object).get_mut("finalizers").and_then(Value::as_array_mut) else { return };
    list.retain(|it| it != name);
    if list.is_empty() {
        of(object).remove("finalizers");
    }
}

/// The owners: uid and whether they block the owner's foreground deletion.
pub fn owners(object: &Value) -> impl Iterator<Item = (&str, bool)> {
    let list = object.at("/metadata/ownerReferences").and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|it| {
        let blocks = it.get("blockOwnerDeletion").and_then(Value::as_bool).unwrap_or_default();
        Some((it.get("uid")?.as_str()?, blocks))
    })
}

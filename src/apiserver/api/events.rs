//! `events.k8s.io/v1` shows the events of the core group under other names; they are kept once, in the core form.

use serde_json::{Value, json};

/// Field of the core form, field of the newer form.
const NAMES: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

fn renamed(object: &Value, api_version: &str, name: impl Fn(&str) -> String) -> Value {
    let mut shown = json!({});
    for (key, value) in object.as_object().into_iter().flatten() {
        shown[name(key)] = value.clone();
    }
    shown["apiVersion"] = json!(api_version);
    shown
}

/// The newer form of a core event.
pub fn to_new(object: &Value) -> Value {
    let new = |key: &str| NAMES.iter().find(|(core, _)| *core == key).map_or(key, |(_, new)| *new).to_owned();
    let mut shown = renamed(object, "events.k8s.io/v1", new);
    // The newer form leaves these out where the older one writes them empty.
    if let Some(map) = shown.as_object_mut() {
        map.retain(|key, value| !(key.starts_with("reporting") && value.as_str() == Some("")));
    }
    shown
}

/// The core form of a newer event.
pub fn to_core(object: &Value) -> Value {
    let core = |key: &str| NAMES.iter().find(|(_, new)| *new == key).map_or(key, |(core, _)| *core).to_owned();
    renamed(object, "v1", core)
}

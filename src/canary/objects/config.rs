//! Copies of tracked ConfigMaps and Secrets for the primary.

use super::owner;
use crate::canary::detect::{ConfigKind, Tracked};
use crate::model::canary::Canary;
use serde_json::{Value, json};

/// Name of the primary's copy.
pub(in crate::canary) fn name(config: &Tracked<'_>) -> String {
    format!("{}-primary", config.name)
}

/// The copy, with the `resourceVersion` of the one it replaces.
pub(in crate::canary) fn copy(config: &Tracked<'_>, canary: &Canary, existing: Option<&Value>) -> Value {
    let mut copy = json!({
        "apiVersion": "v1",
        "kind": config.kind.kind(),
        "metadata": {
            "name": name(config),
            "namespace": canary.namespace(),
            "labels": config.object["metadata"]["labels"].as_object().cloned().unwrap_or_default(),
            "ownerReferences": owner(canary),
        },
    });
    if config.kind == ConfigKind::Secret {
        copy["type"] = config.object["type"].as_str().unwrap_or("Opaque").into();
    }
    for field in ["data", "binaryData"] {
        if let Some(data) = config.object.get(field) {
            copy[field] = data.clone();
        }
    }
    if let Some(version) = existing.and_then(|it| it["metadata"].get("resourceVersion")) {
        copy["metadata"]["resourceVersion"] = version.clone();
    }
    copy
}

/// Whether the existing copy holds what it should.
pub(in crate::canary) fn is_current(config: &Tracked<'_>, existing: &Value) -> bool {
    ["data", "binaryData", "type"].iter().all(|field| existing[*field] == config.object[*field])
}

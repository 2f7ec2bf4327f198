//! The objects that a Canary makes: pure functions from objects to objects.
//!
//! In: the Canary and what it copies from. Out: whole objects, or the changed copy of an existing one.
//! Never: reading or writing them.

pub(super) mod autoscaler;
pub(super) mod config;
pub(super) mod httproute;
pub(super) mod ingress;
pub(super) mod service;
pub(super) mod workload;

use crate::model::canary::Canary;
use crate::model::object::Labels;
use serde_json::{Map, Value, json};

/// Keys that contain this belong to Flux and are never copied.
const TOOLKIT_MARKER: &str = "toolkit.fluxcd.io";
/// Keeps Flux from reverting what Flagger changes.
const FLUX_DISABLE: [(&str, &str); 2] =
    [("kustomize.toolkit.fluxcd.io/reconcile", "disabled"), ("helm.toolkit.fluxcd.io/driftDetection", "disabled")];

/// The reference by which deleting the Canary deletes what it made.
fn owner(canary: &Canary) -> Value {
    json!([{
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "name": canary.name(),
        "uid": canary.metadata["uid"].as_str().unwrap_or_default(),
        "controller": true,
        "blockOwnerDeletion": true,
    }])
}

/// Whether the object's controller is this Canary.
fn is_owned(object: &Value, canary: &Canary) -> bool {
    object["metadata"]["ownerReferences"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|it| it["controller"] == true && it["kind"] == "Canary" && it["name"] == canary.name())
}

/// Whether any Canary is the object's controller.
pub(super) fn has_owner(object: &Value) -> bool {
    object["metadata"]["ownerReferences"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|it| it["controller"] == true && it["kind"] == "Canary")
}

/// Without Flux' own keys.
fn without_toolkit(labels: &Labels) -> Labels {
    labels.iter().filter(|(key, _)| !key.contains(TOOLKIT_MARKER)).map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// Without Flux' own keys, and with the annotations that make Flux leave the object alone.
fn with_flux_disabled(annotations: &Labels) -> Labels {
    let mut kept = without_toolkit(annotations);
    kept.extend(FLUX_DISABLE.map(|(key, value)| (key.to_owned(), value.to_owned())));
    kept
}

/// `value[key]` where it exists and is not null, else nothing: for copying optional fields.
fn copy_fields(from: &Value, to: &mut Map<String, Value>, fields: &[&str]) {
    for field in fields {
        match &from[*field] {
            Value::Null => {
                to.shift_remove(*field);
            }
            value => {
                to.insert((*field).to_owned(), value.clone());
            }
        }
    }
}

//! The primary's HorizontalPodAutoscaler: a copy of the target's that scales the primary.

use super::{owner, without_toolkit};
use crate::canary::context::strings;
use crate::model::canary::{AutoscalerRef, Canary};
use serde_json::{Value, json};

pub(in crate::canary) const API_VERSION: &str = "autoscaling/v2";
pub(in crate::canary) const KIND: &str = "HorizontalPodAutoscaler";

/// Fields that follow the target's autoscaler.
const FOLLOWED: [&str; 4] = ["minReplicas", "maxReplicas", "metrics", "behavior"];

/// The primary's autoscaler as it is created.
pub(in crate::canary) fn create(hpa: &Value, canary: &Canary, reference: &AutoscalerRef) -> Value {
    json!({
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": format!("{}-primary", reference.name),
            "namespace": canary.namespace(),
            "labels": without_toolkit(&strings(&hpa["metadata"]["labels"])),
            "ownerReferences": owner(canary),
        },
        "spec": spec(hpa, canary, reference),
    })
}

/// The existing autoscaler with the target's limits, metrics and behaviour; nothing where it has them. Its labels and
/// annotations are never updated.
pub(in crate::canary) fn update(
    existing: &Value,
    hpa: &Value,
    canary: &Canary,
    reference: &AutoscalerRef,
) -> Option<Value> {
    let wanted = spec(hpa, canary, reference);
    let same = FOLLOWED.iter().all(|field| existing["spec"][*field] == wanted[*field]);
    (!same).then(|| {
        let mut changed = existing.clone();
        changed["spec"] = wanted;
        changed
    })
}

fn spec(hpa: &Value, canary: &Canary, reference: &AutoscalerRef) -> Value {
    let scaled = &hpa["spec"]["scaleTargetRef"];
    let mut spec = json!({"scaleTargetRef": {
        "apiVersion": scaled["apiVersion"],
        "kind": scaled["kind"],
        "name": format!("{}-primary", canary.spec.target_ref.name),
    }});
    for field in FOLLOWED {
        if let Some(value) = hpa["spec"].get(field) {
            spec[field] = value.clone();
        }
    }
    if let Some(own) = &reference.primary_scaler_replicas {
        for (field, value) in [("minReplicas", own.min_replicas), ("maxReplicas", own.max_replicas)] {
            if let Some(value) = value {
                spec[field] = json!(value);
            }
        }
    }
    spec
}

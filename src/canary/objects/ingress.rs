//! The canary Ingress of ingress-nginx: a copy of the main one whose annotations hold the weight.

use super::{owner, with_flux_disabled};
use crate::canary::context::strings;
use crate::model::canary::Canary;
use crate::model::object::Labels;
use serde_json::{Map, Value, json};

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The main Ingress' spec with the backends of `{svc}` renamed to `{svc}-canary`; nothing where no rule has one.
pub(in crate::canary) fn canary_spec(ingress: &Value, service: &str) -> Option<Value> {
    let mut spec = ingress["spec"].clone();
    let mut found = false;
    for rule in spec["rules"].as_array_mut().into_iter().flatten() {
        for path in rule.pointer_mut("/http/paths").and_then(Value::as_array_mut).into_iter().flatten() {
            let name = path.pointer_mut("/backend/service/name").filter(|it| *it == service);
            if let Some(name) = name {
                *name = json!(format!("{service}-canary"));
                found = true;
            }
        }
    }
    found.then_some(spec)
}

/// The canary Ingress as it is created: idle.
pub(in crate::canary) fn create(ingress: &Value, spec: &Value, canary: &Canary, prefix: &str) -> Value {
    let name = ingress["metadata"]["name"].as_str().unwrap_or_default();
    let kept = strings(&ingress["metadata"]["annotations"]);
    let kept = kept.into_iter().filter(|(key, _)| !is_canary(key, prefix) && key != LAST_APPLIED).collect();
    let mut annotations = with_flux_disabled(&kept);
    annotations.extend(idle(prefix));
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "name": format!("{name}-canary"),
            "namespace": canary.namespace(),
            "labels": ingress["metadata"]["labels"].as_object().cloned().unwrap_or_default(),
            "annotations": annotations,
            "ownerReferences": owner(canary),
        },
        "spec": spec,
    })
}

/// Whether an annotation is one of the canary ones.
fn is_canary(key: &str, prefix: &str) -> bool {
    key.strip_prefix(prefix).is_some_and(|rest| rest.starts_with("/canary"))
}

fn idle(prefix: &str) -> Labels {
    weight(prefix, 0)
}

fn weight(prefix: &str, weight: i64) -> Labels {
    Labels::from([
        (format!("{prefix}/canary"), "true".to_owned()),
        (format!("{prefix}/canary-weight"), weight.to_string()),
    ])
}

/// The annotations of the canary Ingress for a weight: a merge patch of `metadata.annotations`.
///
/// With `match`, a weight above zero turns the header and cookie rules on instead; zero removes every canary annotation
/// and writes the idle pair.
pub(in crate::canary) fn annotations_for(existing: &Value, canary: &Canary, prefix: &str, percent: i64) -> Value {
    let matches = &canary.spec.analysis.matches;
    let wanted = match (matches.is_empty(), percent) {
        (true, _) => weight(prefix, percent),
        (false, 0) => idle(prefix),
        (false, _) => idle(prefix).into_iter().chain(rules(matches, prefix)).collect(),
    };
    let mut patch = Map::new();
    let stale = existing["metadata"]["annotations"].as_object().into_iter().flatten().map(|(key, _)| key);
    if !matches.is_empty() || percent == 0 {
        for key in stale.filter(|it| is_canary(it, prefix)) {
            patch.insert(key.clone(), Value::Null);
        }
    }
    patch.extend(wanted.into_iter().map(|(key, value)| (key, json!(value))));
    Value::Object(patch)
}

/// Header and cookie rules; several collapse to the last of each.
fn rules(matches: &[Value], prefix: &str) -> Labels {
    let mut rules = Labels::new();
    for (key, how) in matches.iter().filter_map(|it| it["headers"].as_object()).flatten() {
        let exact = how["exact"].as_str().filter(|it| !it.is_empty());
        let regex = how["regex"].as_str().filter(|it| !it.is_empty());
        let mut set = |suffix: &str, value: Option<&str>| {
            let key = format!("{prefix}/canary-by-{suffix}");
            match value {
                Some(value) => rules.insert(key, value.to_owned()),
                None => rules.remove(&key),
            };
        };
        if key == "cookie" {
            set("cookie", exact);
        } else {
            set("header", Some(key));
            set("header-value", exact);
            set("header-pattern", regex);
        }
    }
    rules
}

/// The weight that the canary Ingress' annotations say, percent.
pub(in crate::canary) fn read_weight(ingress: &Value, canary: &Canary, prefix: &str) -> Result<i64, String> {
    let annotations = &ingress["metadata"]["annotations"];
    let has = |suffix: &str| annotations.get(format!("{prefix}/canary-by-{suffix}")).is_some();
    if !canary.spec.analysis.matches.is_empty() && (has("header") || has("cookie")) {
        return Ok(100);
    }
    match annotations[format!("{prefix}/canary-weight")].as_str() {
        None => Ok(0),
        Some(text) => text.parse().map_err(|_| format!("failed to convert {text} to int")),
    }
}

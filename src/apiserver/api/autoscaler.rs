//! `autoscaling/v1` shows the autoscalers that are kept as `autoscaling/v2`. What it has no fields for it shows as annotations
//! and takes back from them (`pkg/apis/autoscaling/v1/conversion.go` of Kubernetes).

use crate::apiserver::schema::Schema;
use crate::apiserver::schema::decode::Decoder;
use serde_json::{Map, Value, json};

/// The version that has fields of its own.
pub const VERSION: &str = "v1";

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
/// Never kept: whoever writes one means a field. The last two stand for fields that are in [`BEHAVIOR`] by now.
const ANNOTATIONS: [&str; 6] = [
    METRICS,
    CURRENT_METRICS,
    CONDITIONS,
    BEHAVIOR,
    "autoscaling.alpha.kubernetes.io/scale-down-tolerance",
    "autoscaling.alpha.kubernetes.io/scale-up-tolerance",
];

/// A field of the older form, in its order there, and where the newer form has it.
/// One that ends with `!` is a quantity that cannot be missing: then it is zero.
type Names = &'static [(&'static str, &'static str)];

/// Metrics that are wished, by what they measure.
const SOURCES: [(&str, Names); 5] = [
    (
        "object",
        &[
            ("target", "/describedObject"),
            ("metricName", "/metric/name"),
            ("targetValue!", "/target/value"),
            ("selector", "/metric/selector"),
            ("averageValue", "/target/averageValue"),
        ],
    ),
    (
        "pods",
        &[
            ("metricName", "/metric/name"),
            ("targetAverageValue!", "/target/averageValue"),
            ("selector", "/metric/selector"),
        ],
    ),
    (
        "resource",
        &[
            ("name", "/name"),
            ("targetAverageUtilization", "/target/averageUtilization"),
            ("targetAverageValue", "/target/averageValue"),
        ],
    ),
    (
        "containerResource",
        &[
            ("name", "/name"),
            ("targetAverageUtilization", "/target/averageUtilization"),
            ("targetAverageValue", "/target/averageValue"),
            ("container", "/container"),
        ],
    ),
    (
        "external",
        &[
            ("metricName", "/metric/name"),
            ("metricSelector", "/metric/selector"),
            ("targetValue", "/target/value"),
            ("targetAverageValue", "/target/averageValue"),
        ],
    ),
];

/// Metrics as they are.
const STATUSES: [(&str, Names); 5] = [
    (
        "object",
        &[
            ("target", "/describedObject"),
            ("metricName", "/metric/name"),
            ("currentValue!", "/current/value"),
            ("selector", "/metric/selector"),
            ("averageValue", "/current/averageValue"),
        ],
    ),
    (
        "pods",
        &[
            ("metricName", "/metric/name"),
            ("currentAverageValue!", "/current/averageValue"),
            ("selector", "/metric/selector"),
        ],
    ),
    (
        "resource",
        &[
            ("name", "/name"),
            ("currentAverageUtilization", "/current/averageUtilization"),
            ("currentAverageValue!", "/current/averageValue"),
        ],
    ),
    (
        "containerResource",
        &[
            ("name", "/name"),
            ("currentAverageUtilization", "/current/averageUtilization"),
            ("currentAverageValue!", "/current/averageValue"),
            ("container", "/container"),
        ],
    ),
    (
        "external",
        &[
            ("metricName", "/metric/name"),
            ("metricSelector", "/metric/selector"),
            ("currentValue!", "/current/value"),
            ("currentAverageValue", "/current/averageValue"),
        ],
    ),
];

fn take(map: &mut Map<String, Value>, key: &str) -> Option<Value> {
    map.shift_remove(key).filter(|it| !it.is_null())
}

/// These fields in this order, without those that are missing.
fn fields<const N: usize>(of: [(&str, Option<Value>); N]) -> Value {
    of.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect::<Map<_, _>>().into()
}

fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Whether a metric is the one that the older form has a field for.
fn is_processor(metric: &Value) -> bool {
    metric["type"] == "Resource" && metric["resource"]["name"] == "cpu"
}

/// The older form of an autoscaler that is kept.
pub fn to_old(kept: &Value) -> Value {
    let mut shown = kept.clone();
    shown["apiVersion"] = json!("autoscaling/v1");
    let mut notes: Vec<(&str, Value)> = Vec::new();
    if let Some(spec) = shown["spec"].as_object_mut() {
        let metrics = take(spec, "metrics");
        let (processor, others): (Vec<_>, Vec<_>) = items(metrics.as_ref())
            .iter()
            .partition(|it| is_processor(it) && it["resource"]["target"]["averageUtilization"].is_number());
        if !others.is_empty() {
            notes.push((METRICS, others.into_iter().map(|it| old_metric(it, &SOURCES)).collect()));
        }
        if let Some(behavior) = take(spec, "behavior") {
            notes.push((BEHAVIOR, go_behavior(&behavior)));
        }
        let target = processor.first().map(|it| it["resource"]["target"]["averageUtilization"].clone());
        shown["spec"] = fields([
            ("scaleTargetRef", take(spec, "scaleTargetRef")),
            ("minReplicas", take(spec, "minReplicas")),
            ("maxReplicas", take(spec, "maxReplicas")),
            ("targetCPUUtilizationPercentage", target),
        ]);
    }
    if let Some(status) = shown.get_mut("status").and_then(Value::as_object_mut) {
        let metrics = take(status, "currentMetrics");
        let metrics = items(metrics.as_ref());
        if !metrics.is_empty() {
            notes.push((CURRENT_METRICS, metrics.iter().map(|it| old_metric(it, &STATUSES)).collect()));
        }
        if let Some(conditions) = take(status, "conditions").filter(|it| !items(Some(it)).is_empty()) {
            notes.push((CONDITIONS, items(Some(&conditions)).iter().map(ordered_condition).collect()));
        }
        let used = metrics.iter().rfind(|it| is_processor(it));
        let used = used.and_then(|it| it.pointer("/resource/current/averageUtilization")).cloned();
        shown["status"] = fields([
            ("observedGeneration", take(status, "observedGeneration")),
            ("lastScaleTime", take(status, "lastScaleTime")),
            ("currentReplicas", Some(take(status, "currentReplicas").unwrap_or(json!(0)))),
            ("desiredReplicas", Some(take(status, "desiredReplicas").unwrap_or(json!(0)))),
            ("currentCPUUtilizationPercentage", used),
        ]);
    }
    drop_annotations(&mut shown);
    for (key, value) in notes {
        shown["metadata"]["annotations"][key] = Value::String(go_json(&value));
    }
    shown
}

/// As Go's encoder writes it, which takes care of browsers.
fn go_json(value: &Value) -> String {
    value.to_string().replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e")
}

/// Annotations that stand for fields mean nothing in the newer form.
pub fn drop_annotations(object: &mut Value) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) else { return };
    annotations.retain(|key, _| !ANNOTATIONS.contains(&key.as_str()));
    if annotations.is_empty() {
        metadata.shift_remove("annotations");
    }
}

fn old_metric(metric: &Value, table: &[(&str, Names)]) -> Value {
    let mut old = json!({ "type": metric["type"] });
    for (part, names) in table {
        let Some(found) = metric.get(*part).filter(|it| it.is_object()) else { continue };
        let mut shown = Map::new();
        for (name, place) in *names {
            let plain = name.trim_end_matches('!');
            let value = found.pointer(place).filter(|it| !it.is_null());
            let value = value.map(|it| if plain == "target" { ordered_reference(it) } else { it.clone() });
            if let Some(value) = value.or_else(|| name.ends_with('!').then(|| json!("0"))) {
                shown.insert(plain.to_owned(), value);
            }
        }
        old[*part] = Value::Object(shown);
    }
    old
}

fn ordered_reference(it: &Value) -> Value {
    let part = |key: &str| it.get(key).cloned();
    fields([("kind", part("kind")), ("name", part("name")), ("apiVersion", part("apiVersion"))])
}

fn ordered_condition(it: &Value) -> Value {
    let part = |key: &str| it.get(key).cloned();
    fields([
        ("type", part("type")),
        ("status", part("status")),
        ("lastTransitionTime", Some(part("lastTransitionTime").unwrap_or_default())),
        ("reason", part("reason")),
        ("message", part("message")),
    ])
}

/// The behaviour in the names of Go's struct, which has no others.
fn go_behavior(behavior: &Value) -> Value {
    let rules = |key: &str| {
        let Some(rules) = behavior.get(key).filter(|it| it.is_object()) else { return Value::Null };
        let policies = rules.get("policies").and_then(Value::as_array).map(|policies| {
            let policy =
                |it: &Value| json!({ "Type": it["type"], "Value": it["value"], "PeriodSeconds": it["periodSeconds"] });
            policies.iter().map(policy).collect::<Value>()
        });
        json!({
            "StabilizationWindowSeconds": rules["stabilizationWindowSeconds"], "SelectPolicy": rules["selectPolicy"],
            "Policies": policies, "Tolerance": rules["tolerance"]
        })
    };
    json!({ "ScaleUp": rules("scaleUp"), "ScaleDown": rules("scaleDown") })
}

/// The form that is kept, whose types are `schema`'s. Annotations that cannot be read are dropped, as the real server does.
pub fn to_new(schema: &Schema, mut old: Value) -> Value {
    old["apiVersion"] = json!("autoscaling/v2");
    let note = |key: &str| {
        let text = old.pointer("/metadata/annotations")?.get(key)?.as_str()?;
        serde_json::from_str::<Value>(text).ok()
    };
    let known = |place: &str, value: Value| fits(schema, place, &value).then_some(value);
    let metrics =
        |key: &str, of: fn(&Value) -> Value| note(key)?.as_array().map(|all| all.iter().map(of).collect::<Value>());
    let wished = metrics(METRICS, new_source).and_then(|it| known("spec.metrics", it));
    let current = metrics(CURRENT_METRICS, new_status).and_then(|it| known("status.currentMetrics", it));
    let conditions = note(CONDITIONS).and_then(|it| known("status.conditions", it)).filter(Value::is_array);
    let behavior = note(BEHAVIOR).and_then(|it| known("spec.behavior", plain_behavior(&it)));
    if let Some(spec) = old.get_mut("spec").and_then(Value::as_object_mut) {
        let processor = take(spec, "targetCPUUtilizationPercentage").map(|it| {
            json!({ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": it } } })
        });
        let all: Vec<_> = items(wished.as_ref()).iter().cloned().chain(processor).collect();
        if !all.is_empty() {
            spec.insert("metrics".to_owned(), Value::Array(all));
        }
        if let Some(behavior) = behavior.filter(|it| it.as_object().is_some_and(|it| !it.is_empty())) {
            spec.insert("behavior".to_owned(), behavior);
        }
    }
    if let Some(status) = old.get_mut("status").and_then(Value::as_object_mut) {
        let processor = take(status, "currentCPUUtilizationPercentage").map(|it| {
            json!([{ "type": "Resource", "resource": { "name": "cpu", "current": { "averageUtilization": it } } }])
        });
        status.retain(|key, value| !(key == "currentReplicas" && *value == json!(0)));
        status.insert("currentMetrics".to_owned(), current.or(processor).unwrap_or_default());
        status.extend(conditions.map(|it| ("conditions".to_owned(), it)));
    }
    drop_annotations(&mut old);
    old
}

/// Whether what an annotation says has the types of the field that it stands for.
fn fits(schema: &Schema, place: &str, value: &Value) -> bool {
    // An item without a type is neither a metric nor a condition.
    if items(Some(value)).iter().any(|it| !it["type"].is_string()) {
        return false;
    }
    let (part, field) = place.split_once('.').unwrap_or_default();
    let mut probe = json!({ part: { field: value } });
    Decoder::default().decode(schema, &mut probe).is_ok()
}

fn new_metric(metric: &Value, table: &[(&str, Names)]) -> Value {
    let mut new = json!({ "type": metric["type"] });
    for (part, names) in table {
        let Some(found) = metric.get(*part).filter(|it| it.is_object()) else { continue };
        let mut kept = json!({});
        for (name, place) in *names {
            let value = found.get(name.trim_end_matches('!')).filter(|it| !it.is_null()).cloned();
            let Some(value) = value.or_else(|| name.ends_with('!').then(|| json!("0"))) else { continue };
            match place[1..].split_once('/') {
                None => kept[&place[1..]] = value,
                Some((within, field)) => kept[within][field] = value,
            }
        }
        new[*part] = kept;
    }
    new
}

/// A wished metric, whose target says what it is about in the newer form.
fn new_source(metric: &Value) -> Value {
    let mut new = new_metric(metric, &SOURCES);
    for (part, _) in SOURCES {
        let Some(target) = new.get_mut(part).map(|it| &mut it["target"]) else { continue };
        let has = |key: &str| target.get(key).is_some();
        let about = match part {
            "object" if !has("averageValue") => "Value",
            "external" if has("value") => "Value",
            "resource" | "containerResource" if has("averageUtilization") => "Utilization",
            _ => "AverageValue",
        };
        target["type"] = json!(about);
    }
    new
}

fn new_status(metric: &Value) -> Value {
    new_metric(metric, &STATUSES)
}

/// The behaviour in the names of the API; what Go wrote as null is not there.
fn plain_behavior(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let plain = |key: &str| {
                let mut letters = key.chars();
                letters.next().map_or_else(String::new, |it| it.to_ascii_lowercase().to_string() + letters.as_str())
            };
            let there = map.iter().filter(|(_, it)| !it.is_null());
            there.map(|(key, it)| (plain(key), plain_behavior(it))).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(plain_behavior).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both() -> Value {
        json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": { "name": "a", "annotations": { "own": "1" } },
            "spec": {
                "scaleTargetRef": { "kind": "Deployment", "name": "web", "apiVersion": "apps/v1" }, "minReplicas": 1, "maxReplicas": 6,
                "metrics": [
                    { "type": "Pods", "pods": { "metric": { "name": "requests" }, "target": { "averageValue": "100", "type": "AverageValue" } } },
                    { "type": "External", "external": { "metric": { "name": "queue" }, "target": { "value": "30", "type": "Value" } } },
                    { "type": "Object", "object": { "describedObject": { "kind": "Service", "name": "web" }, "metric": { "name": "rate" },
                        "target": { "value": "2k", "type": "Value" } } },
                    { "type": "Resource", "resource": { "name": "memory", "target": { "averageValue": "200Mi", "type": "AverageValue" } } },
                    { "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 75 } } }
                ],
                "behavior": { "scaleDown": { "stabilizationWindowSeconds": 60, "policies": [{ "type": "Pods", "value": 1, "periodSeconds": 30 }] } }
            },
            "status": {
                "currentReplicas": 2, "desiredReplicas": 4,
                "currentMetrics": [{ "type": "Resource", "resource": { "name": "cpu", "current": { "averageUtilization": 30, "averageValue": "300m" } } }],
                "conditions": [{ "type": "AbleToScale", "status": "True", "lastTransitionTime": "2030-01-01T00:00:00Z", "message": "1 < 2" }]
            }
        })
    }

    #[test]
    fn what_the_older_form_has_no_fields_for_goes_there_and_back_as_annotations() {
        let shown = to_old(&both());
        assert_eq!(shown["spec"]["targetCPUUtilizationPercentage"], 75);
        assert_eq!(shown["status"]["currentCPUUtilizationPercentage"], 30);
        let note = |key: &str| shown["metadata"]["annotations"][key].as_str().unwrap();
        assert_eq!(
            note(BEHAVIOR),
            "{\"ScaleUp\":null,\"ScaleDown\":{\"StabilizationWindowSeconds\":60,\"SelectPolicy\":null,\
             \"Policies\":[{\"Type\":\"Pods\",\"Value\":1,\"PeriodSeconds\":30}],\"Tolerance\":null}}"
        );
        assert!(note(CONDITIONS).ends_with("\"message\":\"1 \\u003c 2\"}]"), "{}", note(CONDITIONS));
        let schema = Schema::built_in("autoscaling/v2", "HorizontalPodAutoscaler");
        assert_eq!(to_new(&schema, shown), both());
    }

    #[test]
    fn annotations_that_say_nothing_are_dropped() {
        let schema = Schema::built_in("autoscaling/v2", "HorizontalPodAutoscaler");
        for nonsense in ["nonsense", "{}", "[7]", "[{\"type\":7}]", "{\"ScaleUp\":7}", "7", "null"] {
            let old = json!({
                "apiVersion": "autoscaling/v1",
                "metadata": { "annotations": { METRICS: nonsense, BEHAVIOR: nonsense, CONDITIONS: nonsense, CURRENT_METRICS: nonsense } },
                "spec": { "maxReplicas": 3 }, "status": { "desiredReplicas": 1 }
            });
            let expected = json!({
                "apiVersion": "autoscaling/v2", "metadata": {}, "spec": { "maxReplicas": 3 },
                "status": { "desiredReplicas": 1, "currentMetrics": null }
            });
            assert_eq!(to_new(&schema, old), expected, "{nonsense}");
        }
    }
}

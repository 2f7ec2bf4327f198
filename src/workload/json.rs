//! Reading and writing Kubernetes objects as JSON values: the few shapes that every controller here needs.

use crate::model::object::At;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The text at `pointer`; empty when there is none.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.at(pointer).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn int(object: &Value, pointer: &str) -> Option<i64> {
    object.at(pointer).and_then(Value::as_i64)
}

pub(super) fn flag(object: &Value, pointer: &str) -> bool {
    object.at(pointer).and_then(Value::as_bool).unwrap_or_default()
}

pub(super) fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.at(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A copy of what is at `pointer`, or null.
pub(super) fn part(object: &Value, pointer: &str) -> Value {
    object.at(pointer).cloned().unwrap_or_default()
}

/// The map of texts at `pointer` (labels, annotations, `matchLabels`).
pub(super) fn texts(object: &Value, pointer: &str) -> BTreeMap<String, String> {
    let entries = object.at(pointer).and_then(Value::as_object).into_iter().flatten();
    entries.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// The date at `pointer`, when there is one and it reads as one.
pub(super) fn time(object: &Value, pointer: &str) -> Option<Timestamp> {
    text(object, pointer).parse().ok()
}

pub(super) fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

pub(super) fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace")
}

pub(super) fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

pub(super) fn is_deleting(object: &Value) -> bool {
    !text(object, "/metadata/deletionTimestamp").is_empty()
}

/// The condition of that type in `status.conditions`.
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    list(object, "/status/conditions").iter().find(|it| it["type"] == kind)
}

/// Whether the pod's condition Ready is True.
pub(super) fn is_ready(pod: &Value) -> bool {
    condition(pod, "Ready").is_some_and(|it| it["status"] == "True")
}

/// Whether the pod has neither finished nor been asked to go.
pub(super) fn is_active(pod: &Value) -> bool {
    !is_finished(pod) && !is_deleting(pod)
}

/// Whether all of the pod's containers have ended for good.
pub(super) fn is_finished(pod: &Value) -> bool {
    matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
}

/// Since when the pod is ready; none when it is not.
pub(super) fn ready_since(pod: &Value) -> Option<Timestamp> {
    condition(pod, "Ready").filter(|it| it["status"] == "True").and_then(|it| time(it, "/lastTransitionTime"))
}

/// Uid of the owner that controls this object.
pub(super) fn controller_uid(object: &Value) -> Option<&str> {
    let owners = list(object, "/metadata/ownerReferences");
    owners.iter().find(|it| it["controller"] == true).map(|it| text(it, "/uid"))
}

/// The owner reference that makes `owner` the controller of an object.
pub(super) fn controller_reference(owner: &Value) -> Value {
    json!({
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name(owner),
        "uid": uid(owner),
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

/// Whether `labels` satisfy a `metav1.LabelSelector`. A missing or empty selector matches nothing here: no controller of
/// this station may take every object of a namespace for its own.
pub(super) fn selects(selector: &Value, labels: &Value) -> bool {
    let wanted = selector["matchLabels"].as_object();
    let expressions = list(selector, "/matchExpressions");
    if wanted.is_none_or(Map::is_empty) && expressions.is_empty() {
        return false;
    }
    wanted.into_iter().flatten().all(|(key, value)| labels.get(key) == Some(value))
        && expressions.iter().all(|it| expression_holds(it, labels))
}

fn expression_holds(expression: &Value, labels: &Value) -> bool {
    let value = labels.get(text(expression, "/key"));
    let listed = || value.is_some_and(|it| list(expression, "/values").contains(it));
    match text(expression, "/operator") {
        "In" => listed(),
        "NotIn" => !listed(),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}

/// The value without nulls and empty containers, which Kubernetes' own comparison does not tell from missing ones.
pub(super) fn normal(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let parts = map.iter().map(|(key, value)| (key.clone(), normal(value)));
            Value::Object(parts.filter(|(_, value)| !is_empty(value)).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(normal).collect()),
        other => other.clone(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_holds_when_all_of_its_parts_do() {
        let labels = json!({"app": "podinfo", "tier": "web"});
        let expression = |operator: &str, key: &str, values: &[&str]| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
        for (case, selector, expected) in [
            ("a label that is there", json!({"matchLabels": {"app": "podinfo"}}), true),
            ("a label with another value", json!({"matchLabels": {"app": "other"}}), false),
            ("an empty selector takes nothing", json!({}), false),
            ("In", expression("In", "tier", &["web", "api"]), true),
            ("In without the label", expression("In", "zone", &["a"]), false),
            ("NotIn without the label", expression("NotIn", "zone", &["a"]), true),
            ("Exists", expression("Exists", "app", &[]), true),
            ("DoesNotExist", expression("DoesNotExist", "app", &[]), false),
            ("an operator that is not one", expression("Like", "app", &[]), false),
        ] {
            assert_eq!(selects(&selector, &labels), expected, "{case}");
        }
    }

    #[test]
    fn normal_form_forgets_what_is_empty_and_keeps_what_is_not() {
        let value = json!({"a": null, "b": {}, "c": [], "d": {"e": null}, "f": [0, ""], "g": false});
        assert_eq!(normal(&value), json!({"f": [0, ""], "g": false}));
    }
}

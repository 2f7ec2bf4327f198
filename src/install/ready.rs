//! When an object counts as ready, by what its own status says: the rules that kubectl's `rollout status` and Flux' kstatus
//! follow, for the kinds that a lab is made of. A status of an older generation says nothing.

use serde_json::Value;

/// How an object stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    Ready,
    /// Not yet; in words.
    Waiting(String),
    /// It will not become ready without a change.
    Failed(String),
}

/// Of an object as the server has it; none: the server has none.
#[must_use]
pub fn readiness(object: Option<&Value>) -> Readiness {
    let Some(object) = object else { return Readiness::Waiting("is not there".to_owned()) };
    if observed_too_early(object) {
        return Readiness::Waiting("its newest generation has not been looked at yet".to_owned());
    }
    if let Some(requested) = object.pointer("/metadata/annotations/reconcile.fluxcd.io~1requestedAt")
        && object["status"]["lastHandledReconcileAt"] != *requested
    {
        return Readiness::Waiting("Flux has not looked at it again yet".to_owned());
    }
    let kind = object["kind"].as_str().unwrap_or_default();
    match kind {
        "Deployment" => deployment(object),
        "CustomResourceDefinition" => condition(object, "Established"),
        "Namespace" => word(object, "/status/phase", &["Active"], &[]),
        "Node" | "OCIRepository" | "Kustomization" | "HelmRelease" | "Bucket" => condition(object, "Ready"),
        "APIService" => condition(object, "Available"),
        "Gateway" => condition(object, "Programmed"),
        "Job" => condition(object, "Complete"),
        "Canary" => word(object, "/status/phase", &["Initialized", "Succeeded", "Failed"], &[]),
        _ => Readiness::Ready,
    }
}

fn observed_too_early(object: &Value) -> bool {
    let (observed, generation) = (&object["status"]["observedGeneration"], &object["metadata"]["generation"]);
    matches!((observed.as_i64(), generation.as_i64()), (Some(observed), Some(generation)) if observed < generation)
}

/// All replicas are of the newest revision and available.
fn deployment(object: &Value) -> Readiness {
    let count = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default();
    let wanted = object["spec"]["replicas"].as_i64().unwrap_or(1);
    if let Some(text) = failing(object, "Progressing", |it| it["reason"] == "ProgressDeadlineExceeded") {
        return Readiness::Failed(text);
    }
    if object["status"]["observedGeneration"].is_null() {
        return Readiness::Waiting("no controller has looked at it yet".to_owned());
    }
    let (updated, available) = (count("/status/updatedReplicas"), count("/status/availableReplicas"));
    let now = count("/status/replicas");
    if updated < wanted {
        Readiness::Waiting(format!("{updated} of {wanted} replicas are of the newest revision"))
    } else if now > updated {
        Readiness::Waiting(format!("{} replicas of older revisions are still there", now - updated))
    } else if available < wanted {
        Readiness::Waiting(format!("{available} of {wanted} replicas are available"))
    } else {
        Readiness::Ready
    }
}

fn conditions(object: &Value) -> impl Iterator<Item = &Value> {
    object.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten()
}

fn condition(object: &Value, kind: &str) -> Readiness {
    if let Some(text) = failing(object, "Stalled", |it| it["status"] == "True") {
        return Readiness::Failed(text);
    }
    match conditions(object).find(|it| it["type"] == kind) {
        Some(it) if it["status"] == "True" => Readiness::Ready,
        Some(it) => {
            Readiness::Waiting(format!("{kind} is {}{}", it["status"].as_str().unwrap_or("unknown"), because(it)))
        }
        None => Readiness::Waiting(format!("has no condition {kind} yet")),
    }
}

fn failing(object: &Value, kind: &str, is_failing: impl Fn(&Value) -> bool) -> Option<String> {
    let found = conditions(object).find(|it| it["type"] == kind && is_failing(it))?;
    Some(format!("{kind}{}", because(found)))
}

/// `, Reason: message`, as far as there is one.
fn because(condition: &Value) -> String {
    let text = |field: &str| condition[field].as_str().filter(|it| !it.is_empty());
    match (text("reason"), text("message")) {
        (Some(reason), Some(message)) => format!(", {reason}: {message}"),
        (Some(one), None) | (None, Some(one)) => format!(", {one}"),
        (None, None) => String::new(),
    }
}

fn word(object: &Value, pointer: &str, good: &[&str], bad: &[&str]) -> Readiness {
    let word = object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let name = pointer.rsplit('/').next().unwrap_or_default();
    match word {
        it if good.contains(&it) => Readiness::Ready,
        it if bad.contains(&it) => Readiness::Failed(format!("its {name} is {it}")),
        "" => Readiness::Waiting(format!("has no {name} yet")),
        it => Readiness::Waiting(format!("its {name} is {it}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn waiting(text: &str) -> Readiness {
        Readiness::Waiting(text.to_owned())
    }

    fn deployment_with(status: Value) -> Value {
        json!({"kind": "Deployment", "metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": status})
    }

    fn with_conditions(kind: &str, conditions: Value) -> Value {
        json!({"kind": kind, "metadata": {"generation": 1}, "status": {"observedGeneration": 1, "conditions": conditions}})
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table of cases is as long as its cases are many")]
    fn an_object_is_ready_when_its_status_says_so() {
        for (why, object, expected) in [
            ("any other kind has only to exist", json!({"kind": "ConfigMap"}), Readiness::Ready),
            ("a namespace is active", json!({"kind": "Namespace", "status": {"phase": "Active"}}), Readiness::Ready),
            (
                "or going",
                json!({"kind": "Namespace", "status": {"phase": "Terminating"}}),
                waiting("its phase is Terminating"),
            ),
            ("nobody looked", deployment_with(json!({})), waiting("no controller has looked at it yet")),
            (
                "somebody looked at an older generation",
                deployment_with(json!({"observedGeneration": 1, "updatedReplicas": 2, "availableReplicas": 2})),
                waiting("its newest generation has not been looked at yet"),
            ),
            (
                "replicas are being updated",
                deployment_with(json!({"observedGeneration": 2, "updatedReplicas": 1, "availableReplicas": 2})),
                waiting("1 of 2 replicas are of the newest revision"),
            ),
            (
                "old ones are going",
                deployment_with(
                    json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 2, "availableReplicas": 3}),
                ),
                waiting("1 replicas of older revisions are still there"),
            ),
            (
                "new ones are not available",
                deployment_with(json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2})),
                waiting("0 of 2 replicas are available"),
            ),
            (
                "all is done",
                deployment_with(
                    json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}),
                ),
                Readiness::Ready,
            ),
            (
                "the deadline has passed",
                deployment_with(json!({"observedGeneration": 2, "conditions": [
                    {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}]})),
                Readiness::Failed("Progressing, ProgressDeadlineExceeded: timed out".to_owned()),
            ),
            (
                "a definition is established",
                with_conditions("CustomResourceDefinition", json!([{"type": "Established", "status": "True"}])),
                Readiness::Ready,
            ),
            (
                "Flux says why it is not ready",
                with_conditions(
                    "Kustomization",
                    json!([{"type": "Ready", "status": "False", "reason": "ArtifactFailed", "message": "no"}]),
                ),
                waiting("Ready is False, ArtifactFailed: no"),
            ),
            (
                "and that it will not become so",
                with_conditions("OCIRepository", json!([{"type": "Stalled", "status": "True", "message": "bad URL"}])),
                Readiness::Failed("Stalled, bad URL".to_owned()),
            ),
            (
                "Flux was asked to look again",
                json!({"kind": "Kustomization", "metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "2"}},
                    "status": {"lastHandledReconcileAt": "1", "conditions": [{"type": "Ready", "status": "True"}]}}),
                waiting("Flux has not looked at it again yet"),
            ),
            ("no condition yet", with_conditions("Gateway", json!([])), waiting("has no condition Programmed yet")),
            (
                "a Canary is initialized",
                json!({"kind": "Canary", "status": {"phase": "Initialized"}}),
                Readiness::Ready,
            ),
            ("or not yet", json!({"kind": "Canary"}), waiting("has no phase yet")),
        ] {
            assert_eq!(readiness(Some(&object)), expected, "{why}");
        }
        assert_eq!(readiness(None), waiting("is not there"));
    }
}

//! What is done to a pod by posting to it: eviction, and binding to a node.

use super::done;
use crate::apiserver::kinds::resource;
use crate::apiserver::meta;
use crate::apiserver::options::{
    DeleteOptions, ListOptions, PatchKind, Preconditions, Propagation, Subresource, Target, WriteOptions,
};
use crate::apiserver::selector::label::LabelSelector;
use crate::apiserver::server::Server;
use crate::apiserver::status::{Cause, Reason, Status};
use crate::sys::clock::rfc3339;
use serde_json::{Value, json};
use std::sync::Arc;

/// How long a client waits before it tries again, in seconds.
const TRY_AGAIN_AFTER: u64 = 10;

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn int(value: &Value, pointer: &str) -> i64 {
    value.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()
}

/// `pods/eviction`: a delete that PodDisruptionBudgets may refuse.
pub(super) fn evict(
    server: &Server,
    (namespace, name): (&str, &str),
    eviction: &Value,
    dry_run: bool,
) -> Result<Value, Status> {
    if text(eviction, "/metadata/name") != name {
        return Err(Status::bad_request("name in URL does not match name in Eviction object"));
    }
    let pod = server.api().get(resource::PODS, namespace, name)?;
    // A pod that does not count for any budget.
    let ignored =
        meta::is_terminating(&pod) || matches!(text(&pod, "/status/phase"), "Pending" | "Succeeded" | "Failed");
    if !ignored {
        take_from_budget(server, &pod, dry_run)?;
    }
    let asked = |key: &str| text(eviction, &format!("/deleteOptions/preconditions/{key}"));
    let given = |text: &str| Some(text.to_owned()).filter(|it| !it.is_empty());
    let options = DeleteOptions {
        grace_period_seconds: eviction.pointer("/deleteOptions/gracePeriodSeconds").and_then(Value::as_i64),
        propagation: (text(eviction, "/deleteOptions/propagationPolicy") == "Foreground")
            .then_some(Propagation::Foreground),
        preconditions: Preconditions { uid: given(asked("uid")), resource_version: given(asked("resourceVersion")) },
        dry_run: dry_run || eviction.pointer("/deleteOptions/dryRun").is_some(),
    };
    server.api().delete(resource::PODS, namespace, name, &options)?;
    Ok(done())
}

fn budgets(server: &Server, pod: &Value) -> Vec<Arc<Value>> {
    let namespace = Some(meta::text(pod, "namespace"));
    let found = server.api().list(resource::POD_DISRUPTION_BUDGETS, namespace, &ListOptions::default());
    let mut items = found.map(|it| it.items).unwrap_or_default();
    items.retain(|it| {
        it.pointer("/spec/selector").is_some_and(|selector| LabelSelector::from_object(selector).matches_object(pod))
    });
    items
}

fn take_from_budget(server: &Server, pod: &Value, dry_run: bool) -> Result<(), Status> {
    let budgets = budgets(server, pod);
    let budget = match budgets.as_slice() {
        [] => return Ok(()),
        [one] => one,
        _ => {
            let message =
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
            return Err(Status::new(500, Reason::Unknown, message));
        }
    };
    let name = meta::text(budget, "name");
    let healthy = (int(budget, "/status/currentHealthy"), int(budget, "/status/desiredHealthy"));
    // A pod that is not ready takes nothing away from a budget that is met.
    if !is_ready(pod) && healthy.1 > 0 && healthy.0 >= healthy.1 {
        return Ok(());
    }
    if int(budget, "/status/observedGeneration") < int(budget, "/metadata/generation") {
        let why = format!("The disruption budget {name} is still being processed by the server.");
        return Err(violates(why));
    }
    if int(budget, "/status/disruptionsAllowed") <= 0 {
        let (current, desired) = healthy;
        let why = format!("The disruption budget {name} needs {desired} healthy pods and has {current} currently");
        return Err(violates(why));
    }
    let left = int(budget, "/status/disruptionsAllowed") - 1;
    let disrupted = json!({ meta::text(pod, "name"): rfc3339(server.now()) });
    let change = json!({
        "metadata": { "resourceVersion": meta::text(budget, "resourceVersion") },
        "status": { "disruptionsAllowed": left, "disruptedPods": disrupted }
    });
    let target = Target::new(resource::POD_DISRUPTION_BUDGETS, meta::text(budget, "namespace"), name).status();
    let options = WriteOptions { dry_run, ..WriteOptions::default() };
    server.api().patch_with(&target, &PatchKind::Merge, change, &options).map(drop)
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    conditions.into_iter().any(|it| it["type"] == json!("Ready") && it["status"] == json!("True"))
}

fn violates(why: String) -> Status {
    let message = "Cannot evict pod as it would violate the pod's disruption budget.";
    let cause = Cause { reason: "DisruptionBudget".to_owned(), message: why, field: String::new() };
    Status::too_many_requests(message, TRY_AGAIN_AFTER).with_causes(vec![cause])
}

/// `pods/binding` and `bindings`: the pod goes to a node, once.
pub(super) fn bind(
    server: &Server,
    (namespace, named): (&str, Option<&str>),
    binding: &Value,
    dry_run: bool,
) -> Result<Value, Status> {
    let name = text(binding, "/metadata/name");
    if named.is_some_and(|it| it != name) {
        return Err(Status::bad_request("name in URL does not match name in Binding object"));
    }
    let (kind, node) = (text(binding, "/target/kind"), text(binding, "/target/name"));
    if !matches!(kind, "" | "Node") {
        let why = format!("target.kind: Unsupported value: \"{kind}\": supported values: \"Node\", \"<empty>\"");
        return Err(Status::new(500, Reason::Unknown, why));
    }
    if node.is_empty() {
        return Err(Status::new(500, Reason::Unknown, "target.name: Required value"));
    }
    let pod = server.api().get(resource::PODS, namespace, name)?;
    let conflict = |why: String| Err(Status::conflict("pods/binding", "", name, &why));
    if meta::is_terminating(&pod) {
        return conflict(format!("pod {name} is being deleted, cannot be assigned to a host"));
    }
    let present = text(&pod, "/spec/nodeName");
    if !present.is_empty() {
        return conflict(format!("pod {name} is already assigned to node \"{present}\""));
    }
    let mut change =
        json!({ "metadata": { "resourceVersion": meta::text(&pod, "resourceVersion") }, "spec": { "nodeName": node } });
    if let Some(annotations) = binding.pointer("/metadata/annotations") {
        change["metadata"]["annotations"] = annotations.clone();
    }
    let target = Target { subresource: Subresource::Main, ..Target::new(resource::PODS, namespace, name) };
    let options = WriteOptions { dry_run, ..WriteOptions::default() };
    server.api().patch_with(&target, &PatchKind::Merge, change, &options)?;
    Ok(done())
}

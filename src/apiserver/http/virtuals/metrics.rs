//! `metrics.k8s.io`: what nodes and pods use, as `kubectl top` asks. The numbers are the node agent's.

use crate::apiserver::http::answer::Answer;
use crate::apiserver::http::path::At;
use crate::apiserver::http::{Call, query};
use crate::apiserver::kinds::resource;
use crate::apiserver::meta;
use crate::apiserver::node::{Measured, SharedNodeAgent, Usage};
use crate::apiserver::server::Server;
use crate::apiserver::status::Status;
use crate::sys::clock::rfc3339;
use http::{Method, StatusCode};
use serde_json::{Value, json};

pub const GROUP: &str = "metrics.k8s.io";
pub const VERSION: &str = "v1beta1";
const API_VERSION: &str = "metrics.k8s.io/v1beta1";

pub(super) fn call(server: &Server, at: &At, call: &Call) -> Result<Answer, Status> {
    let of_pods = at.plural == "pods";
    let agent = server.node_agent().filter(|_| at.subresource.is_none() && (of_pods || at.namespace.is_none()));
    let agent = agent.ok_or_else(Status::no_such_resource)?;
    if call.method != Method::GET || query::is_true(call.asks("watch")) {
        return Err(Status::method_forbidden());
    }
    let (from, list_kind) =
        if of_pods { (resource::PODS, "PodMetricsList") } else { (resource::NODES, "NodeMetricsList") };
    let shown = |object: &Value| if of_pods { of_pod(&agent, object) } else { of_node(&agent, object) };
    let value = if let Some(name) = &at.name {
        let namespace = at.namespace.as_deref().unwrap_or_default();
        let found = server.api().get(from, namespace, name).ok().and_then(|it| shown(&it));
        found.ok_or_else(|| not_found(of_pods, namespace, name))?
    } else {
        let found = server.api().list(from, at.namespace.as_deref(), &query::list(call)?)?;
        let items: Vec<Value> = found.items.iter().filter_map(|it| shown(it)).collect();
        json!({ "kind": list_kind, "apiVersion": API_VERSION, "metadata": {}, "items": items })
    };
    Ok(Answer::value(StatusCode::OK, &value))
}

/// In metrics-server's words.
fn not_found(of_pods: bool, namespace: &str, name: &str) -> Status {
    if of_pods {
        Status::not_found("podmetrics", GROUP, &format!("{namespace}/{name}"))
    } else {
        Status::not_found("nodemetrics", GROUP, name)
    }
}

fn usage(usage: &Usage) -> Value {
    // As metrics-server writes them: billionths of a processor, kibibytes.
    let nanocores = (usage.cpu_millicores * 1e6).round() as u64;
    json!({ "cpu": format!("{nanocores}n"), "memory": format!("{}Ki", usage.memory_bytes / 1024) })
}

fn metadata(object: &Value, measured: &Measured) -> Value {
    let mut metadata = json!({ "name": meta::text(object, "name"), "creationTimestamp": rfc3339(measured.at) });
    for key in ["namespace", "labels"] {
        if let Some(value) = object.pointer(&format!("/metadata/{key}")) {
            metadata[key] = value.clone();
        }
    }
    metadata
}

fn measured_value(kind: &str, object: &Value, measured: &Measured) -> Value {
    json!({
        "kind": kind, "apiVersion": API_VERSION, "metadata": metadata(object, measured),
        "timestamp": rfc3339(measured.at), "window": format!("{}s", measured.window_seconds)
    })
}

/// None for a pod that does not run.
fn of_pod(agent: &SharedNodeAgent, pod: &Value) -> Option<Value> {
    let measured = agent.pod_usage(meta::text(pod, "namespace"), meta::text(pod, "name"))?;
    let container = |it: &Usage| json!({ "name": it.container, "usage": usage(it) });
    let mut value = measured_value("PodMetrics", pod, &measured);
    value["containers"] = measured.containers.iter().map(container).collect();
    Some(value)
}

fn of_node(agent: &SharedNodeAgent, node: &Value) -> Option<Value> {
    let measured = agent.node_usage(meta::text(node, "name"))?;
    let mut value = measured_value("NodeMetrics", node, &measured);
    value["usage"] = usage(measured.containers.first()?);
    Some(value)
}

//! The status of a pod in one word, as `kubectl get pods` has it.

use super::row::Since;
use crate::model::object::At;
use serde_json::{Value, json};

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.at(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(pod: &'a Value, pointer: &str) -> &'a [Value] {
    pod.at(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// `1/2`
pub fn ready(pod: &Value) -> Value {
    let all = list(pod, "/spec/containers").len();
    let statuses = list(pod, "/status/containerStatuses");
    let ready = statuses.iter().filter(|it| it["ready"] == json!(true) && it.at("/state/running").is_some()).count();
    json!(format!("{ready}/{all}"))
}

/// `3 (12s ago)`
pub fn restarts(pod: &Value) -> Since {
    let statuses = list(pod, "/status/containerStatuses");
    let count: i64 = statuses.iter().filter_map(|it| it["restartCount"].as_i64()).sum();
    let last = statuses.iter().map(|it| text(it, "/lastState/terminated/finishedAt")).max().unwrap_or_default();
    if count == 0 || last.is_empty() {
        return Since::Fixed(count.to_string());
    }
    Since::around(format!("{count} ("), last, " ago)")
}

/// `Running`, `CrashLoopBackOff`, `Init:0/1`, `Terminating`, …
pub fn status(pod: &Value) -> Value {
    let mut reason = match text(pod, "/status/reason") {
        "" => text(pod, "/status/phase").to_owned(),
        told => told.to_owned(),
    };
    if let Some(initializing) = init_status(pod) {
        reason = initializing;
    } else {
        let mut running = false;
        for container in list(pod, "/status/containerStatuses").iter().rev() {
            match container_reason(container) {
                Some(told) => reason = told,
                None => running |= container["ready"] == json!(true) && container.at("/state/running").is_some(),
            }
        }
        if reason == "Completed" && running {
            "Running".clone_into(&mut reason);
        }
    }
    if pod.at("/metadata/deletionTimestamp").is_some() {
        "Terminating".clone_into(&mut reason);
    }
    json!(if reason.is_empty() { "Unknown".to_owned() } else { reason })
}

/// Why a container does not run; None if it does.
fn container_reason(container: &Value) -> Option<String> {
    let waiting = text(container, "/state/waiting/reason");
    if !waiting.is_empty() {
        return Some(waiting.to_owned());
    }
    let terminated = container.at("/state/terminated")?;
    match (text(terminated, "/reason"), terminated["signal"].as_i64().unwrap_or(0)) {
        ("", 0) => Some(format!("ExitCode:{}", terminated["exitCode"].as_i64().unwrap_or(0))),
        ("", signal) => Some(format!("Signal:{signal}")),
        (told, _) => Some(told.to_owned()),
    }
}

fn init_status(pod: &Value) -> Option<String> {
    let all = list(pod, "/spec/initContainers").len();
    for (index, container) in list(pod, "/status/initContainerStatuses").iter().enumerate() {
        let code = container.at("/state/terminated/exitCode").and_then(Value::as_i64);
        if code == Some(0) {
            continue;
        }
        return match container_reason(container) {
            Some(told) if told != "PodInitializing" => Some(format!("Init:{told}")),
            _ => Some(format!("Init:{index}/{all}")),
        };
    }
    None
}

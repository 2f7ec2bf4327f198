//! Why a Deployment's pods are not ready, in the words of kubelet and scheduler: what a person would ask `kubectl describe`.

use crate::cluster::Client;
use crate::model::object::ObjectRef;
use serde_json::Value;

/// Pods that are spoken of; all of one Deployment mostly have the same trouble.
const MAX_PODS: usize = 3;

/// Reasons of kubelet's for a container whose image it does not get.
const NO_IMAGE: [&str; 4] = ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"];

/// Sentences about the pods of `object`; empty where nothing is known, or the API does not answer.
pub(super) async fn why_not_ready(cluster: &Client, object: &ObjectRef) -> Vec<String> {
    pods_of(cluster, object).await.iter().filter_map(trouble).take(MAX_PODS).collect()
}

/// An image that a pod of `object` waits for in vain, and why, in kubelet's words.
pub(super) async fn missing_image(cluster: &Client, object: &ObjectRef) -> Option<(String, String)> {
    pods_of(cluster, object).await.iter().flat_map(containers).find_map(without_image)
}

/// A Deployment's own; a Canary's are those of its namespace, because its target comes and goes as it decides.
async fn pods_of(cluster: &Client, object: &ObjectRef) -> Vec<Value> {
    let selector = match object.kind.as_str() {
        "Canary" => None,
        "Deployment" => match cluster.get(object).await {
            Ok(Some(deployment)) => Some(selector_of(&deployment)),
            _ => return Vec::new(),
        },
        _ => return Vec::new(),
    };
    cluster.list("v1", "Pod", Some(&object.namespace), selector.as_deref()).await.unwrap_or_default()
}

fn selector_of(deployment: &Value) -> String {
    let labels = deployment.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
    let pairs = labels.into_iter().flatten().filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?)));
    pairs.collect::<Vec<_>>().join(",")
}

fn without_image(status: &Value) -> Option<(String, String)> {
    let waiting = status.pointer("/state/waiting")?;
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    let reason = text(&waiting["reason"]);
    NO_IMAGE
        .contains(&reason.as_str())
        .then(|| (text(&status["image"]), format!("{reason}: {}", text(&waiting["message"]))))
}

/// The first thing that keeps a pod from being ready.
fn trouble(pod: &Value) -> Option<String> {
    let name = pod.pointer("/metadata/name")?.as_str()?;
    let what = unscheduled(pod).or_else(|| containers(pod).find_map(container))?;
    Some(format!("pod {name}: {what}"))
}

fn unscheduled(pod: &Value) -> Option<String> {
    let mut conditions = pod.pointer("/status/conditions")?.as_array()?.iter();
    let found = conditions.find(|it| it["type"] == "PodScheduled" && it["status"] == "False")?;
    Some(format!("not scheduled: {}", found["message"].as_str().unwrap_or("for no given reason")))
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    let of = |field: &str| pod.pointer(&format!("/status/{field}")).and_then(Value::as_array).into_iter().flatten();
    of("initContainerStatuses").chain(of("containerStatuses"))
}

fn container(status: &Value) -> Option<String> {
    let name = status["name"].as_str().unwrap_or_default();
    let text = |pointer: &str| status.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let last = status.pointer("/lastState/terminated").map(|it| {
        let reason = it["reason"].as_str().unwrap_or("it ended");
        format!("; before: {reason}, exit code {}", it["exitCode"])
    });
    if let Some(reason) = status.pointer("/state/waiting/reason").and_then(Value::as_str) {
        let message = text("/state/waiting/message");
        let message = if message.is_empty() { String::new() } else { format!(": {message}") };
        return Some(format!("container {name} waits: {reason}{message}{}", last.unwrap_or_default()));
    }
    if let Some(ended) = status.pointer("/state/terminated").filter(|it| it["exitCode"] != 0) {
        return Some(format!("container {name} ended with exit code {}", ended["exitCode"]));
    }
    (status["ready"] == false)
        .then(|| format!("container {name} runs but its readiness probe fails{}", last.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_keeps_a_pod_from_being_ready_is_said_in_the_clusters_own_words() {
        let pod = |status: Value| json!({"metadata": {"name": "p"}, "status": status});
        let one = |state: Value| pod(json!({"containerStatuses": [state]}));
        for (pod, expected) in [
            (pod(json!({})), None),
            (one(json!({"name": "c", "ready": true, "state": {"running": {}}})), None),
            (
                pod(
                    json!({"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}]}),
                ),
                Some("pod p: not scheduled: 0/1 nodes are available"),
            ),
            (
                one(
                    json!({"name": "c", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling x"}}}),
                ),
                Some("pod p: container c waits: ImagePullBackOff: Back-off pulling x"),
            ),
            (
                one(json!({"name": "c", "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                    "lastState": {"terminated": {"reason": "Error", "exitCode": 2}}})),
                Some("pod p: container c waits: CrashLoopBackOff; before: Error, exit code 2"),
            ),
            (
                one(json!({"name": "c", "ready": false, "state": {"running": {}}})),
                Some("pod p: container c runs but its readiness probe fails"),
            ),
            (
                one(json!({"name": "c", "ready": false, "state": {"terminated": {"exitCode": 1}}})),
                Some("pod p: container c ended with exit code 1"),
            ),
        ] {
            assert_eq!(trouble(&pod).as_deref(), expected, "{pod}");
        }
    }
}

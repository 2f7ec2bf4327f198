//! What stands in for a kubelet beside kube-controller-manager: every pod is ready as soon as it is there.

use crate::real::KubeApi;
use serde_json::{Value, json};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Pods of images that end so never become ready: neither here nor with the embedded lab's kubelet.
const NEVER: &str = ":missing";

/// Watches pods on a thread of its own. Stopped when dropped.
pub struct Kubelet {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Kubelet {
    pub fn start(url: &str) -> Self {
        let (stop, stopped) = oneshot::channel();
        let url = url.to_owned();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    _ = stopped => {}
                    () = run(&url) => {}
                }
            });
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.stop.take().map(|it| it.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

async fn run(url: &str) {
    let client = reqwest::Client::builder().danger_accept_invalid_certs(true).no_proxy().build().unwrap();
    let watch = client.get(format!("{url}/api/v1/pods?watch=true")).bearer_auth(KubeApi::TOKEN);
    let mut watch = watch.send().await.unwrap();
    let mut text = Vec::new();
    while let Ok(Some(chunk)) = watch.chunk().await {
        text.extend_from_slice(&chunk);
        while let Some(end) = text.iter().position(|it| *it == b'\n') {
            let line: Vec<u8> = text.drain(..=end).collect();
            let event: Value = serde_json::from_slice(&line).unwrap();
            if event["type"] == "ADDED" {
                run_pod(&client, url, &event["object"]).await;
            }
        }
    }
}

async fn run_pod(client: &reqwest::Client, url: &str, pod: &Value) {
    let containers = pod["spec"]["containers"].as_array().unwrap();
    if containers.iter().any(|it| it["image"].as_str().unwrap().ends_with(NEVER)) {
        return;
    }
    let created = &pod["metadata"]["creationTimestamp"];
    let running = |it: &Value| {
        json!({ "name": it["name"], "image": it["image"], "imageID": it["image"], "ready": true, "restartCount": 0,
            "started": true, "state": { "running": { "startedAt": created } } })
    };
    let condition = |name: &str| json!({ "type": name, "status": "True", "lastTransitionTime": created });
    let conditions: Value = ["Ready", "ContainersReady"].into_iter().map(condition).collect();
    let statuses: Value = containers.iter().map(running).collect();
    let status = json!({ "status": {
        "phase": "Running", "startTime": created, "conditions": conditions, "containerStatuses": statuses
    } });
    let name = |key: &str| pod["metadata"][key].as_str().unwrap();
    let path = format!("{url}/api/v1/namespaces/{}/pods/{}/status", name("namespace"), name("name"));
    let patch = client.patch(path).bearer_auth(KubeApi::TOKEN).header("content-type", "application/merge-patch+json");
    // Who is gone already needs nothing.
    let _ = patch.body(status.to_string()).send().await;
}

//! An embedded server with the controllers and the fake runtime, and short words for what tests ask it.

use super::fake::Fake;
use coalmine::apiserver::{Api, DeleteOptions, ListOptions, PatchKind, Server, Target};
use coalmine::sys::clock::Clock;
use coalmine::sys::rng::Seed;
use coalmine::workload::hpa::NoMetrics;
use coalmine::workload::{Controllers, MetricSource, Settings, Timing};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub const NAMESPACE: &str = "test";

pub struct Cluster {
    pub server: Server,
    pub api: Api,
    pub clock: Clock,
    pub runtime: Arc<Fake>,
    pub controllers: Controllers,
}

impl Cluster {
    pub fn start(seed: u64) -> Self {
        Self::with_metrics(seed, Arc::new(NoMetrics))
    }

    pub fn with_metrics(seed: u64, metrics: Arc<dyn MetricSource>) -> Self {
        let (clock, seed, runtime) = (Clock::simulated(), Seed(seed), Arc::new(Fake::default()));
        let server = Server::new(clock, seed);
        let api = server.api();
        api.create("namespaces", "", json!({"metadata": {"name": NAMESPACE}})).expect("a new namespace");
        let settings = Settings { clock, seed, timing: Timing::default(), runtime: Arc::clone(&runtime) as _, metrics };
        let controllers = Controllers::start(api.clone(), settings);
        Self { server, api, clock, runtime, controllers }
    }

    pub fn create(&self, resource: &str, object: Value) -> Arc<Value> {
        self.api.create(resource, NAMESPACE, object).unwrap_or_else(|error| panic!("creating in {resource}: {error}"))
    }

    pub fn get(&self, resource: &str, name: &str) -> Arc<Value> {
        self.api.get(resource, NAMESPACE, name).unwrap_or_else(|error| panic!("{resource} {name}: {error}"))
    }

    pub fn list(&self, resource: &str) -> Vec<Arc<Value>> {
        self.api.list(resource, Some(NAMESPACE), &ListOptions::default()).expect("a list").items
    }

    pub fn patch(&self, resource: &str, name: &str, body: Value) {
        let target = Target::new(resource, NAMESPACE, name);
        self.api.patch(&target, &PatchKind::Merge, body).unwrap_or_else(|error| panic!("{resource} {name}: {error}"));
    }

    pub fn delete(&self, resource: &str, name: &str) {
        self.api.delete(resource, NAMESPACE, name, &DeleteOptions::default()).expect("it is there");
    }

    /// Names of the pods, in order.
    pub fn pods(&self) -> Vec<String> {
        self.list("pods").iter().map(|it| it["metadata"]["name"].as_str().expect("a name").to_owned()).collect()
    }

    /// The only pod.
    pub fn pod(&self) -> Arc<Value> {
        let pods = self.list("pods");
        assert_eq!(pods.len(), 1, "{:?}", self.pods());
        Arc::clone(&pods[0])
    }

    /// `reason: message` of every event about objects of this kind, with its count, in order of their first time.
    pub fn events(&self, kind: &str) -> Vec<String> {
        let mut events: Vec<Arc<Value>> = self.list("events");
        events.retain(|it| it["involvedObject"]["kind"] == kind);
        events.sort_by_key(|it| it["metadata"]["resourceVersion"].as_str().and_then(|it| it.parse::<u64>().ok()));
        let line = |it: &Arc<Value>| {
            format!(
                "{}x {}: {}",
                it["count"],
                it["reason"].as_str().unwrap_or(""),
                it["message"].as_str().unwrap_or("")
            )
        };
        events.iter().map(line).collect()
    }

    /// Lets simulated time pass.
    pub async fn pass(&self, seconds: f64) {
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    }

    /// Waits until `holds`, at most `seconds`; gives the time it took.
    pub async fn until(&self, seconds: f64, what: &str, holds: impl Fn(&Self) -> bool) -> f64 {
        let started = self.clock.elapsed();
        while !holds(self) {
            let waited = self.clock.elapsed().saturating_sub(started).as_secs_f64();
            assert!(waited <= seconds, "not within {seconds} s: {what}; pods: {:#?}", self.list("pods"));
            self.pass(0.1).await;
        }
        self.clock.elapsed().saturating_sub(started).as_secs_f64()
    }

    /// The reason for which the pod's container waits; empty when it does not.
    pub fn waiting(&self) -> String {
        let pod = self.pod();
        pod.pointer("/status/containerStatuses/0/state/waiting/reason").and_then(Value::as_str).unwrap_or("").to_owned()
    }
}

/// A Deployment `app` as podinfo's: two probes, labels, one port.
pub fn deployment(replicas: i64, tag: &str) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "app", "namespace": NAMESPACE},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "app"}},
            "template": {
                "metadata": {"labels": {"app": "app"}},
                "spec": {
                    "containers": [{
                        "name": "app",
                        "image": format!("registry.test/app:{tag}"),
                        "ports": [{"name": "http", "containerPort": 9898}],
                        "readinessProbe": {
                            "httpGet": {"path": "/readyz", "port": "http"},
                            "periodSeconds": 2,
                        },
                        "livenessProbe": {
                            "exec": {"command": ["podcli", "check", "http", "localhost:9898/healthz"]},
                            "periodSeconds": 5,
                        },
                    }],
                },
            },
        },
    })
}

/// A merge patch that changes the image.
pub fn release(tag: &str) -> Value {
    let mut container = deployment(1, tag)["spec"]["template"]["spec"]["containers"][0].clone();
    container["name"] = json!("app");
    json!({"spec": {"template": {"spec": {"containers": [container]}}}})
}

/// `status/reason/message` of a condition.
pub fn condition(object: &Value, kind: &str) -> String {
    let all = object["status"]["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    let Some(found) = all.iter().find(|it| it["type"] == kind) else { return format!("no {kind}") };
    let text = |field: &str| found[field].as_str().unwrap_or("").to_owned();
    format!("{}/{}/{}", text("status"), text("reason"), text("message"))
}

//! Plays all policies at once in one lab, whoever decides in it, and brings home what was recorded.

use crate::fidelity::policy::{Act, PER_SECOND, Policy, When, host};
use crate::fidelity::record::{Mark, Record, Recorder};
use bytes::Bytes;
use coalmine::cluster::Client;
use coalmine::lab::Lab;
use coalmine::model::fault::FaultSpec;
use coalmine::model::object::ObjectRef;
use coalmine::model::traffic::{Arrivals, Stream};
use coalmine::sys::clock::Clock;
use coalmine::sys::rng::Seed;
use coalmine::traffic::load::{LoadGenerator, LoadTarget};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Where users' requests enter, as the cluster names it.
const ENTRY: &str = "http://ingress-nginx-controller.ingress-nginx";
/// From an observation to the act that it triggers: the tick that was observed has ended by then, the next is yet to come.
const ACT_AFTER: Duration = Duration::from_secs(3);
/// How long a policy is watched after its end: a tick of every interval in use.
const WATCH_ON: Duration = Duration::from_secs(17);
/// What no policy may exceed, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(480);
/// How often pods are asked to take a fault until there is one.
const TRY_EVERY: Duration = Duration::from_millis(200);

/// The kinds that Flagger creates or changes.
const KINDS: [(&str, &str); 9] = [
    ("flagger.app/v1beta1", "Canary"),
    ("apps/v1", "Deployment"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("networking.k8s.io/v1", "Ingress"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    ("v1", "Event"),
];

/// What one policy came to.
#[derive(Debug)]
pub struct Played {
    pub record: Record,
    /// Every object of [`KINDS`] that there was at the end.
    pub objects: Vec<Value>,
    /// When it was over, as the log has times: what comes later is not compared.
    pub ended: String,
    /// The step that never came, if any.
    pub stuck: Option<String>,
}

/// Plays the policies; the answer has them by name. Flagger has to be running.
pub async fn all(lab: &Lab, recorder: &Recorder, policies: &[Policy]) -> BTreeMap<&'static str, Played> {
    let following = tokio::spawn(recorder.clone().follow(lab.kubernetes.clone()));
    let target = LoadTarget {
        http: lab.prometheus.http.clone(),
        base: ENTRY.to_owned(),
        host: String::new(),
        target: "podinfo".to_owned(),
    };
    let load = LoadGenerator::start(target, lab.clock, Seed(1));
    let played = join_all(policies.iter().map(|policy| async {
        let player = Player { cluster: &lab.kubernetes, clock: lab.clock, recorder, load: &load, policy };
        (policy.name, player.play().await)
    }))
    .await;
    following.abort();
    played.into_iter().collect()
}

struct Player<'a> {
    cluster: &'a Client,
    clock: Clock,
    recorder: &'a Recorder,
    load: &'a LoadGenerator,
    policy: &'a Policy,
}

impl Player<'_> {
    async fn play(&self) -> Played {
        for object in &self.policy.objects {
            self.cluster.create(object).await.unwrap_or_else(|why| panic!("{}: {why}", ObjectRef::of(object)));
        }
        if let Some(headers) = &self.policy.traffic {
            self.load.put(&self.stream(headers.clone())).unwrap();
        }
        let mut at = String::new();
        let script = tokio::time::timeout(PATIENCE, self.script(&mut at)).await;
        self.load.stop(self.policy.name);
        let stuck = script.is_err().then_some(at);
        let ended = self.clock.now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        Played { record: self.recorder.of(self.policy.name), objects: self.objects().await, ended, stuck }
    }

    async fn script(&self, at: &mut String) {
        let mut from = Mark::default();
        for (when, act) in &self.policy.script {
            self.until(*when, from, at).await;
            tokio::time::sleep(ACT_AFTER).await;
            from = self.recorder.mark(self.policy.name);
            self.act(act).await;
        }
        self.until(self.policy.end, from, at).await;
        tokio::time::sleep(WATCH_ON).await;
    }

    async fn until(&self, when: When, from: Mark, at: &mut String) {
        *at = format!("{when:?}");
        self.recorder.until(self.policy.name, when, from).await;
    }

    fn stream(&self, headers: BTreeMap<String, String>) -> Stream {
        Stream {
            name: self.policy.name.to_owned(),
            arrivals: Arrivals::Constant { per_second: PER_SECOND },
            method: "GET".to_owned(),
            host: host(self.policy.name),
            path: "/".to_owned(),
            headers,
            body: String::new(),
            timeout: Duration::from_secs(10),
        }
    }

    async fn act(&self, act: &Act) {
        let namespace = self.policy.name;
        match act {
            Act::Release(tag) => {
                let image = format!("ghcr.io/stefanprodan/podinfo:{tag}");
                let podinfo = ObjectRef::new("apps/v1", "Deployment", namespace, "podinfo");
                let patch =
                    json!([{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image}]);
                self.cluster.json_patch(&podinfo, None, &patch).await.unwrap();
            }
            Act::Fault(fault) => {
                while !self.fault(fault).await {
                    tokio::time::sleep(TRY_EVERY).await;
                }
            }
            Act::Patch { api_version, kind, name, patch } => {
                let object = ObjectRef::new(api_version, kind, namespace, name);
                self.cluster.merge_patch(&object, None, patch).await.unwrap();
            }
            Act::Strategic { api_version, kind, name, patch } => {
                let object = ObjectRef::new(api_version, kind, namespace, name);
                self.cluster.strategic_patch(&object, patch).await.unwrap();
            }
            Act::Delete { api_version, kind, name } => {
                self.cluster.delete(&ObjectRef::new(api_version, kind, namespace, name)).await.unwrap();
            }
        }
    }

    /// Whether there was a pod of the new version that took the fault.
    async fn fault(&self, fault: &FaultSpec) -> bool {
        let namespace = self.policy.name;
        let pods = self.cluster.list("v1", "Pod", Some(namespace), Some("app=podinfo")).await.unwrap();
        let mut taken = false;
        for pod in pods.iter().filter(|it| it["metadata"]["deletionTimestamp"].is_null()) {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            let request = http::Request::post("/fault_injection/enable").header("content-type", "application/json");
            let request = request.body(Bytes::from(json!(fault).to_string())).unwrap();
            let answer = self.cluster.pod_request(namespace, name, 9898, request).await;
            taken |= answer.is_ok_and(|it| it.status().is_success());
        }
        taken
    }

    async fn objects(&self) -> Vec<Value> {
        let mut all = Vec::new();
        for (api_version, kind) in KINDS {
            all.extend(self.cluster.list(api_version, kind, Some(self.policy.name), None).await.unwrap());
        }
        all
    }
}

//! A small lab: the real API server and controller, and a world that answers for Prometheus, hooks and kubelets.

use bytes::Bytes;
use coalmine::apiserver::Server;
use coalmine::cluster::{Client, Watched};
use coalmine::controller::{Controller, Handle, Settings};
use coalmine::model::object::ObjectRef;
use coalmine::sys::clock::Clock;
use coalmine::sys::http::{Http, HttpError, Request, Response, SharedHttp};
use coalmine::sys::rng::Seed;
use coalmine::sys::yaml::{Dialect, documents};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::AbortHandle;

const FLAGGER: &str = "flagger.app/v1beta1";
/// How long pods take to become ready.
const READINESS: Duration = Duration::from_secs(1);

/// What a tick leaves behind.
#[derive(Debug, PartialEq)]
pub struct Row {
    /// `N text` or `W text`, in order.
    events: Vec<String>,
    phase: String,
    /// The router's weight.
    live: i64,
    weight: i64,
    failed: i64,
}

pub fn row(events: &[&str], phase: &str, live: i64, weight: i64, failed: i64) -> Row {
    let events = events.iter().map(|&it| it.to_owned()).collect();
    Row { events, phase: phase.to_owned(), live, weight, failed }
}

/// The policy of the tables: 10 to 50 by 10, threshold 5, one pre-rollout hook, success rate of at least 99 %.
pub fn canary(interval: u64) -> Value {
    json!({
        "apiVersion": FLAGGER,
        "kind": "Canary",
        "metadata": {"name": "podinfo", "namespace": "test"},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"},
            "ingressRef": {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "podinfo"},
            "service": {"port": 80, "targetPort": 9898},
            "analysis": {
                "interval": format!("{interval}s"),
                "threshold": 5,
                "maxWeight": 50,
                "stepWeight": 10,
                "metrics": [{"name": "request-success-rate", "interval": "1m", "thresholdRange": {"min": 99}}],
                "webhooks": [{"name": "acceptance-test", "type": "pre-rollout", "url": "http://flagger-loadtester.test/"}],
            },
        },
    })
}

pub fn image(deployment: &Value) -> &str {
    deployment["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap()
}

/// `COLOR TEXT` of a Slack post.
pub fn attachment(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap();
    let it = &body["attachments"][0];
    format!("{} {}", it["color"].as_str().unwrap(), it["text"].as_str().unwrap())
}

/// Everything outside the cluster: Prometheus, the load tester, Slack.
pub struct World {
    success_rate: Mutex<Option<f64>>,
    /// By path, the status that hooks answer with if it is not 200; none means never.
    hooks: Mutex<BTreeMap<String, Option<u16>>>,
    /// Host, and the query or body.
    asked: Mutex<Vec<(String, String)>>,
}

impl World {
    pub fn success_rate(&self, percent: Option<f64>) {
        *self.success_rate.lock().unwrap() = percent;
    }

    /// How the hook at a path of the load tester answers from now on; none means never.
    pub fn hook(&self, path: &str, status: Option<u16>) {
        self.hooks.lock().unwrap().insert(path.to_owned(), status);
    }

    /// What one host was asked, in order.
    pub fn asked(&self, host: &str) -> Vec<String> {
        self.asked.lock().unwrap().iter().filter(|it| it.0 == host).map(|it| it.1.clone()).collect()
    }

    fn value(&self, query: &str) -> Option<f64> {
        if query == "vector(1)" { Some(1.0) } else { *self.success_rate.lock().unwrap() }
    }
}

impl Http for World {
    fn send(&self, request: Request, timeout: Duration) -> BoxFuture<'static, Result<Response, HttpError>> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let pairs = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
        let query = pairs.into_owned().find(|it| it.0 == "query").map(|it| it.1);
        let asked = query.clone().unwrap_or_else(|| String::from_utf8_lossy(request.body()).into_owned());
        self.asked.lock().unwrap().push((host.clone(), asked));
        let answer =
            |status: u16, body: String| Ok(http::Response::builder().status(status).body(Bytes::from(body)).unwrap());
        let answer = match (host.as_str(), query) {
            ("prometheus", Some(query)) => {
                let value = self.value(&query).map(|it| json!({"metric": {}, "value": [0, it.to_string()]}));
                let result: Vec<_> = value.into_iter().collect();
                answer(
                    200,
                    json!({"status": "success", "data": {"resultType": "vector", "result": result}}).to_string(),
                )
            }
            ("flagger-loadtester.test", _) => match self.hooks.lock().unwrap().get(request.uri().path()).copied() {
                None => answer(200, "OK".to_owned()),
                Some(Some(status)) => answer(status, "Forbidden".to_owned()),
                Some(None) => {
                    return async move {
                        tokio::time::sleep(timeout).await;
                        Err(HttpError::Timeout)
                    }
                    .boxed();
                }
            },
            ("hooks.slack.test", _) => answer(200, "ok".to_owned()),
            _ => Err(HttpError::NoSuchHost { host }),
        };
        async move { answer }.boxed()
    }
}

pub struct Lab {
    pub handle: Handle,
    pub world: Arc<World>,
    client: Client,
    clock: Clock,
    read: AtomicU64,
    _kubelet: Running,
    _server: Server,
}

/// A task that ends with its lab.
struct Running(AbortHandle);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Lab {
    /// A cluster with podinfo and this Canary, and a controller that starts now.
    pub async fn start(canary: Value) -> Self {
        Self::start_with(canary, Settings::default()).await
    }

    /// The same with other flags; the mesh provider is always nginx.
    pub async fn start_with(canary: Value, settings: Settings) -> Self {
        let clock = Clock::simulated();
        let server = Server::new(clock, Seed(1));
        let client = Client::in_process(server.router());
        for manifest in definitions().into_iter().chain(objects()).chain([canary]) {
            client.create(&manifest).await.unwrap_or_else(|why| panic!("{}: {why}", ObjectRef::of(&manifest)));
        }
        let world =
            Arc::new(World { success_rate: Mutex::new(Some(99.9)), hooks: Mutex::default(), asked: Mutex::default() });
        let kubelet = Running(tokio::spawn(kubelet(client.clone())).abort_handle());
        let mut settings = Settings { seed: Seed(1), ..settings };
        "nginx".clone_into(&mut settings.judge.mesh_provider);
        let http: SharedHttp = world.clone();
        let handle = Controller::start(client.clone(), http, clock, settings);
        Self { handle, world, client, clock, read: AtomicU64::new(0), _kubelet: kubelet, _server: server }
    }

    pub async fn until(&self, seconds: u64) {
        self.clock.sleep_until(Duration::from_secs(seconds)).await;
    }

    /// Events since the last call.
    pub fn rows(&self) -> Vec<String> {
        let lines = self.handle.log().since(self.read.load(Ordering::Relaxed));
        if let Some(last) = lines.last() {
            self.read.store(last.seq, Ordering::Relaxed);
        }
        let events = lines.iter().filter_map(|it| Some((it.event?, &it.message)));
        events.map(|(warning, text)| format!("{} {text}", if warning { 'W' } else { 'N' })).collect()
    }

    /// What has happened since the last call, and how things stand.
    pub async fn row(&self) -> Row {
        let status = self.canary().await["status"].clone();
        let ingress = self.find("networking.k8s.io/v1", "Ingress", "podinfo-canary").await.unwrap_or_default();
        let live = &ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/canary-weight"];
        let number = |field: &str| status[field].as_i64().unwrap_or(0);
        Row {
            events: self.rows(),
            phase: status["phase"].as_str().unwrap_or_default().to_owned(),
            live: live.as_str().map_or(0, |it| it.parse().unwrap()),
            weight: number("canaryWeight"),
            failed: number("failedChecks"),
        }
    }

    pub async fn release(&self, version: &str) {
        let podinfo = ObjectRef::new("apps/v1", "Deployment", "test", "podinfo");
        let image = format!("ghcr.io/stefanprodan/podinfo:{version}");
        let patch = json!([{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image}]);
        self.client.json_patch(&podinfo, None, &patch).await.unwrap();
    }

    pub async fn create(&self, object: Value) {
        self.client.create(&object).await.unwrap();
    }

    /// What the API server says to an object that it refuses.
    pub async fn refusal(&self, object: Value) -> String {
        self.client.create(&object).await.expect_err("this object is refused").to_string()
    }

    pub async fn patch_canary(&self, patch: Value) {
        self.client.merge_patch(&ObjectRef::new(FLAGGER, "Canary", "test", "podinfo"), None, &patch).await.unwrap();
    }

    pub async fn delete_canary(&self) {
        self.client.delete(&ObjectRef::new(FLAGGER, "Canary", "test", "podinfo")).await.unwrap();
    }

    pub async fn canary(&self) -> Value {
        self.get(FLAGGER, "Canary", "podinfo").await
    }

    pub async fn find(&self, api_version: &str, kind: &str, name: &str) -> Option<Value> {
        self.client.get(&ObjectRef::new(api_version, kind, "test", name)).await.unwrap()
    }

    pub async fn get(&self, api_version: &str, kind: &str, name: &str) -> Value {
        self.find(api_version, kind, name).await.unwrap_or_else(|| panic!("there is no {kind} {name}"))
    }

    pub async fn events(&self) -> Vec<Value> {
        self.client.list("v1", "Event", Some("test"), None).await.unwrap()
    }
}

/// Makes the status of every Deployment what its spec asks for, a moment later.
async fn kubelet(client: Client) {
    let mut watch = client.watch("apps/v1", "Deployment", Some("test"), None);
    while let Some(told) = watch.next().await {
        let changed = match told {
            Watched::Applied(object) => vec![object],
            Watched::Restarted(objects) => objects,
            Watched::Deleted(_) => Vec::new(),
        };
        for deployment in changed {
            let replicas = deployment["spec"]["replicas"].clone();
            let status = json!({
                "observedGeneration": deployment["metadata"]["generation"],
                "replicas": replicas,
                "updatedReplicas": replicas,
                "readyReplicas": replicas,
                "availableReplicas": replicas,
            });
            if deployment["status"] != status {
                tokio::time::sleep(READINESS).await;
                let patch = json!({"status": status});
                // It may be gone by now; then there is nothing to report.
                let _ = client.merge_patch(&ObjectRef::of(&deployment), Some("status"), &patch).await;
            }
        }
    }
}

fn definitions() -> Vec<Value> {
    let files = [
        include_str!("../../../manifests/flagger/crds.yaml"),
        include_str!("../../../manifests/gateway-api/crds.yaml"),
    ];
    files.iter().flat_map(|it| documents(it, Dialect::Kubernetes).unwrap()).map(|it| it.to_json()).collect()
}

fn objects() -> Vec<Value> {
    let labels = json!({"app": "podinfo"});
    let container = json!({
        "name": "podinfod",
        "image": "ghcr.io/stefanprodan/podinfo:6.9.2",
        "ports": [{"name": "http", "containerPort": 9898}],
    });
    vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "test"}}),
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "podinfo", "namespace": "test"},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        }),
        json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"name": "podinfo", "namespace": "test"},
            "spec": {
                "ingressClassName": "nginx",
                "rules": [{
                    "host": "app.example.com",
                    "http": {"paths": [{
                        "path": "/",
                        "pathType": "Prefix",
                        "backend": {"service": {"name": "podinfo", "port": {"number": 80}}},
                    }]},
                }],
            },
        }),
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "chat", "namespace": "test"},
            // http://hooks.slack.test/services/x
            "data": {"address": "aHR0cDovL2hvb2tzLnNsYWNrLnRlc3Qvc2VydmljZXMveA=="},
        }),
        json!({
            "apiVersion": FLAGGER,
            "kind": "AlertProvider",
            "metadata": {"name": "chat", "namespace": "test"},
            "spec": {"type": "slack", "secretRef": {"name": "chat"}},
        }),
    ]
}

//! A lab on the wall clock with the real registry, source-controller and kustomize-controller beside it.

use crate::real::{Process, find, free_port};
use bytes::Bytes;
use coalmine::artifact::{Artifact, Origin, Repository};
use coalmine::cluster::Client;
use coalmine::lab::{Embedded, Options};
use coalmine::model::object::ObjectRef;
use coalmine::sys::clock::Clock;
use coalmine::sys::outside::Outside;
use coalmine::sys::rng::Seed;
use coalmine::sys::yaml::{Dialect, documents};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// How long anything may take that is waited for; a machine busy with other tests is slow.
const PATIENCE: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_millis(100);
/// Where Flux' own objects are.
const HOME: &str = "flux-system";
/// The repository of the app in the registry.
const REPOSITORY: &str = "lab/app";
/// Which version of the app Flux follows.
pub const TAG: &str = "live";

/// Everything that runs. Gone when dropped.
pub struct Gitops {
    pub cluster: Client,
    registry: Repository,
    lab: Embedded,
    _programs: Vec<Process>,
    folder: TempDir,
    /// How often something was asked for.
    requests: AtomicU64,
}

impl Gitops {
    /// None, loudly, where one of the programs is missing.
    pub async fn start() -> Option<Self> {
        let programs = (find("registry")?, find("source-controller")?, find("kustomize-controller")?);
        let clock = Clock::wall();
        let lab = Embedded::start(clock, Seed(1), Options::of(clock), Arc::new(|_| ())).await.unwrap();
        let cluster = lab.lab().kubernetes;
        for object in manifest("manifests/flux/crds.yaml") {
            cluster.apply(&object, "test", true).await.unwrap();
        }
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": HOME } });
        cluster.apply(&namespace, "test", true).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, lab.served().unwrap().kubeconfig("lab")).unwrap();
        let port = free_port();
        let programs = start_programs(programs, folder.path(), &kubeconfig, port);
        let registry = Repository::new(Arc::new(Outside::new()), &format!("http://127.0.0.1:{port}"), REPOSITORY);
        let it = Self { cluster, registry, lab, _programs: programs, folder, requests: AtomicU64::new(1) };
        it.registry_answers(port).await;
        for object in follow(port) {
            it.cluster.apply(&object, "test", true).await.unwrap();
        }
        Some(it)
    }

    async fn registry_answers(&self, port: u16) {
        let asked = async || reqwest::get(format!("http://127.0.0.1:{port}/v2/")).await.is_ok();
        self.until("the registry answers", async || asked().await.then_some(())).await;
    }

    /// Pushes files under a tag; the digest.
    pub async fn push(&self, tag: &str, files: &[(&str, String)]) -> String {
        let resources: Vec<&str> = files.iter().map(|it| it.0).collect();
        let root = json!({
            "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": resources
        });
        let mut all: BTreeMap<String, Bytes> =
            files.iter().map(|(path, text)| ((*path).to_owned(), Bytes::from(text.clone()))).collect();
        all.insert("kustomization.yaml".to_owned(), Bytes::from(root.to_string()));
        let origin = Origin {
            source: "coalmine".to_owned(),
            revision: format!("test@sha1:{tag}"),
            created: jiff::Timestamp::UNIX_EPOCH,
        };
        self.registry.push(&Artifact::pack(&all, &origin).unwrap(), tag).await.unwrap()
    }

    /// Makes a pushed version the one that Flux follows, and tells Flux so that nobody waits for its interval.
    pub async fn promote(&self, tag: &str) {
        self.registry.retag(tag, TAG).await.unwrap();
        self.reconcile(&SOURCE).await;
    }

    /// Asks the controller of one of [`SOURCE`] and [`SYNC`] to look at it now.
    pub async fn reconcile(&self, object: &Flux) {
        // Any value that has not been there before.
        let request = self.requests.fetch_add(1, Ordering::Relaxed).to_string();
        let patch = json!({ "metadata": { "annotations": { "reconcile.fluxcd.io/requestedAt": request } } });
        self.cluster.merge_patch(&object.at(), None, &patch).await.unwrap();
        let handled = async || {
            let found = self.cluster.get(&object.at()).await.unwrap()?;
            (found["status"]["lastHandledReconcileAt"] == request.as_str()).then_some(())
        };
        self.until("the request is handled", handled).await;
    }

    /// Waits until the Kustomization is Ready (`True` or `False`) for the version with this digest; the condition.
    pub async fn synced(&self, digest: &str, ready: &str) -> Value {
        let revision = format!("{TAG}@{digest}");
        let what = format!("the Kustomization is Ready={ready} at {revision}");
        let condition = async || {
            let found = self.cluster.get(&SYNC.at()).await.unwrap()?;
            let condition = found["status"]["conditions"].as_array()?.iter().find(|it| it["type"] == "Ready")?.clone();
            let now = found["status"]["lastAttemptedRevision"] == revision.as_str() && condition["status"] == ready;
            now.then_some(condition)
        };
        self.until(&what, condition).await
    }

    /// The object, when it is there.
    pub async fn get(&self, api_version: &str, kind: &str, name: &str) -> Option<Value> {
        let object = ObjectRef {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: "test".to_owned(),
            name: name.to_owned(),
        };
        self.cluster.get(&object).await.unwrap()
    }

    /// Waits for an answer; fails with what the controllers said when there is none in time.
    pub async fn until<T>(&self, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
        let waiting = async {
            loop {
                if let Some(found) = ask().await {
                    return found;
                }
                tokio::time::sleep(ASK_EVERY).await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, waiting).await;
        found.unwrap_or_else(|_| panic!("in vain: {what}\n{}", self.said()))
    }

    fn said(&self) -> String {
        let tail = |program: &str| {
            let log = std::fs::read_to_string(self.folder.path().join(format!("{program}.log"))).unwrap_or_default();
            let lines: Vec<&str> = log.lines().rev().take(12).collect();
            format!("--- {program}\n{}", lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
        };
        ["registry", "source-controller", "kustomize-controller"].map(tail).join("\n")
    }

    pub async fn stop(self) {
        self.lab.stop().await;
    }
}

/// One of Flux' two objects.
pub struct Flux(&'static str, &'static str);

pub const SOURCE: Flux = Flux("source.toolkit.fluxcd.io/v1", "OCIRepository");
pub const SYNC: Flux = Flux("kustomize.toolkit.fluxcd.io/v1", "Kustomization");

impl Flux {
    fn at(&self) -> ObjectRef {
        let (api_version, kind) = (self.0.to_owned(), self.1.to_owned());
        ObjectRef { api_version, kind, namespace: HOME.to_owned(), name: "app".to_owned() }
    }
}

/// The documents of a file of the repository.
pub fn manifest(path: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    documents(&text, Dialect::Kubernetes).unwrap().iter().map(coalmine::sys::yaml::Node::to_json).collect()
}

fn start_programs(
    (registry, source, kustomize): (PathBuf, PathBuf, PathBuf),
    folder: &Path,
    kubeconfig: &Path,
    port: u16,
) -> Vec<Process> {
    let config = json!({
        "version": 0.1, "log": { "level": "warn" }, "http": { "addr": format!("127.0.0.1:{port}") },
        "storage": { "filesystem": { "rootdirectory": folder.join("registry") } }
    });
    std::fs::write(folder.join("registry.yml"), config.to_string()).unwrap();
    let storage = folder.join("storage");
    std::fs::create_dir(&storage).unwrap();
    let artifacts = format!("127.0.0.1:{}", free_port());
    let common = || {
        [
            format!("--metrics-addr=127.0.0.1:{}", free_port()),
            format!("--health-addr=127.0.0.1:{}", free_port()),
            "--events-addr=".to_owned(),
            "--log-encoding=console".to_owned(),
            "--requeue-dependency=1s".to_owned(),
        ]
    };
    let storage = [
        format!("--storage-path={}", storage.display()),
        format!("--storage-addr={artifacts}"),
        format!("--storage-adv-addr={artifacts}"),
    ];
    let source_args: Vec<String> = common().into_iter().chain(storage).collect();
    let serve = ["serve".to_owned(), "registry.yml".to_owned()];
    let environment = [("KUBECONFIG", kubeconfig.as_os_str())];
    vec![
        Process::start_with(&registry, folder, &serve, &[("OTEL_TRACES_EXPORTER", OsStr::new("none"))]),
        Process::start_with(&source, folder, &source_args, &environment),
        Process::start_with(&kustomize, folder, &common(), &environment),
    ]
}

/// The source and what is made of it. Long intervals: whatever happens has been asked for.
fn follow(port: u16) -> [Value; 2] {
    let metadata = json!({ "name": "app", "namespace": HOME });
    let source = json!({
        "apiVersion": SOURCE.0, "kind": SOURCE.1, "metadata": metadata,
        "spec": {
            "interval": "1h", "url": format!("oci://127.0.0.1:{port}/{REPOSITORY}"), "insecure": true,
            "ref": { "tag": TAG }
        }
    });
    let sync = json!({
        "apiVersion": SYNC.0, "kind": SYNC.1, "metadata": metadata,
        "spec": {
            "interval": "1h", "retryInterval": "1h", "timeout": "20s", "prune": true, "path": "./",
            "sourceRef": { "kind": SOURCE.1, "name": "app" },
            "healthChecks": [{ "apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo", "namespace": "test" }]
        }
    });
    [source, sync]
}

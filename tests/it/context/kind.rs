//! On a real cluster, that somebody has made and works on: it has a Flux and a Flagger, and a namespace of the app's name.

use crate::kind::support::{Coalmine, images_here, one_at_a_time};
use coalmine::cluster::Client;
use coalmine::machine::{Environment, image_of};
use coalmine::model::object::ObjectRef;
use coalmine::stack::Images;
use coalmine::sys::yaml::{self, Dialect};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const NAME: &str = "ctx-it";
const CONTEXT: &str = "kind-ctx-it";
/// The image of the router, which the lab's own nodes would get from this machine.
const ROUTER: &str = "docker.io/library/coalmine:it";
/// How long this cluster's own Flux and Flagger may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// What comes and goes by itself.
const PASSING: [&str; 7] = ["Event", "Lease", "Endpoints", "EndpointSlice", "Pod", "ReplicaSet", "ControllerRevision"];

/// A kind cluster of one node, gone when dropped.
struct Cluster {
    kubeconfig: PathBuf,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = Command::new("kind").args(["delete", "cluster", "--name", NAME]).output();
    }
}

impl Cluster {
    fn make(folder: &Path, node: &str) -> Self {
        let cluster = Self { kubeconfig: folder.join("somebodys.kubeconfig") };
        let mut command = Command::new("kind");
        command.args(["create", "cluster", "--name", NAME, "--image", node, "--wait", "60s", "--kubeconfig"]);
        let made = command.arg(&cluster.kubeconfig).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        cluster
    }

    /// As if the node had pulled it.
    fn load(mut tar: Command) {
        let mut saved = tar.stdout(Stdio::piped()).spawn().unwrap();
        let node = format!("{NAME}-control-plane");
        let import = ["exec", "-i", &node, "ctr", "--namespace=k8s.io", "images", "import", "--digests", "-"];
        let from = saved.stdout.take().unwrap();
        let loaded = Command::new("docker").args(import).stdin(from).output().unwrap();
        assert!(saved.wait().unwrap().success() && loaded.status.success(), "{loaded:?}");
    }
}

fn manifest(path: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    yaml::documents(&text, Dialect::Kubernetes).unwrap().iter().map(yaml::Node::to_json).collect()
}

/// What that somebody has installed: Flux, a Flagger that asks another Prometheus, and a namespace with something in it.
async fn work_of_others(client: &Client, images: &Images) {
    let mut objects = vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "flagger-system"}}),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "test"}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs", "namespace": "test"}}),
    ];
    for file in
        ["flux/crds.yaml", "flux/flux.yaml", "flagger/crds.yaml", "gateway-api/crds.yaml", "flagger/flagger.yaml"]
    {
        objects.extend(manifest(&format!("manifests/{file}")));
    }
    for object in &mut objects {
        images.put(object);
        if let Some(args) = object.pointer_mut("/spec/template/spec/containers/0/args").and_then(Value::as_array_mut) {
            args.retain(|it| !it.as_str().unwrap().starts_with("-metrics-server"));
        }
        client.apply(object, "somebody", true).await.unwrap();
    }
    let available = async |name: &str, namespace: &str| {
        let found = client.get(&ObjectRef::new("apps/v1", "Deployment", namespace, name)).await.unwrap().unwrap();
        found["status"]["availableReplicas"] == 1
    };
    let all = async {
        while !(available("flagger", "flagger-system").await
            && available("source-controller", "flux-system").await
            && available("kustomize-controller", "flux-system").await)
        {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("the cluster's own Flux and Flagger run");
}

/// Every object, with its labels and what it is to be.
async fn everything(client: &Client) -> BTreeMap<String, Value> {
    let mut all = Vec::new();
    for namespace in client.list("v1", "Namespace", None, None).await.unwrap() {
        all.extend(client.contents(namespace["metadata"]["name"].as_str().unwrap()).await.unwrap());
        all.push(namespace);
    }
    for (api_version, kind) in [
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        ("rbac.authorization.k8s.io/v1", "ClusterRole"),
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
        ("networking.k8s.io/v1", "IngressClass"),
        ("apiregistration.k8s.io/v1", "APIService"),
    ] {
        all.extend(client.list(api_version, kind, None, None).await.unwrap());
    }
    all.retain(|it| !PASSING.contains(&it["kind"].as_str().unwrap()));
    let what = |it: &Value| json!([it["metadata"]["labels"], it["metadata"]["finalizers"], it["spec"], it["data"]]);
    all.iter().map(|it| (ObjectRef::of(it).to_string(), what(it))).collect()
}

/// Kills `coalmine` once it says `word`, as `kill -9` does.
fn killed_at(folder: &Path, args: &[&str], word: &str) {
    use std::io::{BufRead, BufReader};
    let mut command = Command::new(env!("CARGO_BIN_EXE_coalmine"));
    command.args(args).env("XDG_STATE_HOME", folder).current_dir(folder).stdin(Stdio::null());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let seen = lines.map_while(Result::ok).any(|it| it.starts_with(word));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(seen, "{args:?} never came to `{word}`");
}

#[test]
fn a_lab_beside_the_work_of_others_is_made_and_removed_and_their_work_is_as_it_was() {
    let Some(text) = images_here() else { return };
    let _turn = one_at_a_time();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(beside_the_work_of_others(&text));
}

async fn beside_the_work_of_others(text: &str) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("images.yaml"), text).unwrap();
    let images = Images::default().with(text).unwrap();
    let cluster = Cluster::make(folder.path(), &images.node);
    let parts = [
        "prometheus",
        "flagger",
        "loadtester",
        "source-controller",
        "kustomize-controller",
        "registry",
        "podinfo",
        "redis",
    ];
    let names: BTreeSet<&str> = parts.iter().map(|it| images.of(it).unwrap().name.as_str()).collect();
    let mut save = Command::new("docker");
    save.arg("save").args(&names);
    Cluster::load(save);
    let router = folder.path().join("router.tar");
    let program = Path::new(env!("CARGO_BIN_EXE_coalmine"));
    std::fs::write(&router, image_of(program, ROUTER, &Environment::of_this_process()).await.unwrap()).unwrap();
    let mut cat = Command::new("cat");
    cat.arg(&router);
    Cluster::load(cat);
    let client = Client::connect_context(Some(&cluster.kubeconfig), Some(CONTEXT)).await.unwrap();
    work_of_others(&client, &images).await;
    let before = everything(&client).await;

    let kubeconfig = cluster.kubeconfig.display().to_string();
    let coalmine = Coalmine { state: folder.path() };
    let up = [
        "up",
        "--lab",
        "context",
        "--name",
        NAME,
        "--context",
        CONTEXT,
        "--kubeconfig",
        &kubeconfig,
        "--router",
        "builtin",
    ];
    let up = [&up[..], &["--images", "images.yaml", "--use-existing", "flux,flagger", "--yes"]].concat();
    killed_at(folder.path(), &up, "registry: ");
    let made = coalmine.well(&up);
    assert!(made.contains("success rate: 100.00 %"), "{made}");
    let again = coalmine.well(&up);
    for part in ["definitions", "Prometheus", "router", "registry", "source", "demo app"] {
        assert!(again.contains(&format!("{part}: unchanged")), "{part}\n{again}");
    }
    assert!(!again.contains("will make"), "what was agreed to is not shown again\n{again}");
    let canary = ObjectRef::new("flagger.app/v1beta1", "Canary", "test", "podinfo");
    let canary = client.get(&canary).await.unwrap().unwrap();
    assert_eq!(
        canary["spec"]["metricsServer"], "http://prometheus.flagger-system:9090",
        "their Flagger asks the lab's"
    );

    killed_at(folder.path(), &["down", "--lab", NAME], "remove the parts");
    let gone = coalmine.well(&["down", "--lab", NAME]);
    assert_eq!(everything(&client).await, before, "{gone}");
    assert!(!folder.path().join("coalmine/labs").join(NAME).exists(), "files are left");
}

//! Before anything is made: on the embedded lab, which has a Flagger, and on a kube-apiserver, which has nothing.

use crate::real::KubeApi;
use coalmine::cluster::{Access, Client};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A person with a state directory of their own, and a kubeconfig.
struct Person {
    state: TempDir,
    kubeconfig: PathBuf,
}

struct Came {
    exit: Option<i32>,
    err: String,
}

impl Person {
    fn types(&self, words: &[&str]) -> Came {
        let mut command = Command::new(env!("CARGO_BIN_EXE_coalmine"));
        command.args(words).env("XDG_STATE_HOME", self.state.path()).env("KUBECONFIG", &self.kubeconfig);
        let output = command.stdin(Stdio::null()).output().unwrap();
        Came { exit: output.status.code(), err: String::from_utf8_lossy(&output.stderr).into_owned() }
    }

    fn ups(&self, context: &str, more: &[&str]) -> Came {
        self.types(&[&["up", "--lab", "context", "--context", context], more].concat())
    }

    fn record(&self) -> Option<Value> {
        let file = self.state.path().join("coalmine/labs/context/lab.json");
        Some(serde_json::from_str(&std::fs::read_to_string(file).ok()?).unwrap())
    }
}

/// All objects of a kind, by kubectl's path.
async fn names(api: &KubeApi, client: &reqwest::Client, path: &str) -> Vec<String> {
    let answer = client.get(format!("{}{path}", api.url)).bearer_auth(KubeApi::TOKEN).send().await.unwrap();
    let list: Value = answer.json().await.unwrap();
    let name = |it: &Value| it["metadata"]["name"].as_str().unwrap().to_owned();
    list["items"].as_array().unwrap().iter().map(name).collect()
}

#[test]
fn a_cluster_that_has_flagger_is_refused_and_left_as_it_is() {
    let state = tempfile::tempdir().unwrap();
    let kubeconfig = state.path().join("coalmine/labs/embedded/kubeconfig");
    let person = Person { state, kubeconfig };
    assert_eq!(person.types(&["up", "--detach"]).exit, Some(0));
    let cleared = Down(&person);
    let context = "coalmine-embedded";
    for (why, words, exit, expected) in [
        (
            "Flagger is there",
            &[][..],
            3,
            "the cluster has Flagger already (flagger 1.44.0 in flagger-system). `--use-existing flagger` uses it",
        ),
        (
            "it is used, and the lab's Prometheus has no place",
            &["--use-existing", "flagger"],
            3,
            "\n  Deployment prometheus in flagger-system\n",
        ),
        ("and its router neither", &["--use-existing", "flagger"], 3, "\n  IngressClass nginx\n"),
        ("there is no Flux to be used", &["--use-existing", "flux,flagger"], 3, "there is no Flux that could be used"),
        ("nodes cannot have this program", &["--router", "builtin"], 3, "name it in a file for --images"),
        ("a pack is for nodes of one's own", &["--retain"], 2, "--retain is for labs that make their own cluster"),
    ] {
        let came = person.ups(context, words);
        assert_eq!(came.exit, Some(exit), "{why}: {}", came.err);
        assert!(came.err.contains(expected), "{why}: {}", came.err);
    }
    for (why, words, expected) in [
        ("no cluster is named", &["up", "--lab", "context"][..], "which cluster? Name a context"),
        ("no such context", &["up", "--lab", "context", "--context", "x"], "no context `x`; it has coalmine-embedded"),
        (
            "another lab",
            &["up", "--lab", "kind", "--context", "x"],
            "--context is for labs on a cluster that is there already",
        ),
    ] {
        let came = person.types(words);
        assert_eq!(came.exit, Some(2), "{why}: {}", came.err);
        assert!(came.err.contains(expected), "{why}: {}", came.err);
    }
    assert_eq!(person.record(), None, "nothing was made, so nothing is written down");
    drop(cleared);
}

struct Down<'a>(&'a Person);

impl Drop for Down<'_> {
    fn drop(&mut self) {
        self.0.types(&["down"]);
    }
}

/// The administrator's kubeconfig, and one of somebody who has no rights.
fn kubeconfigs(api: &KubeApi) -> PathBuf {
    let file = api.kubeconfig();
    let jane = format!(
        "users: [{{name: admin, user: {{token: {0}}}}}, {{name: jane, user: {{token: {0}, as: jane}}}}]\n\
        contexts: [{{name: real, context: {{cluster: real, user: admin}}}}, {{name: janes, context: {{cluster: real, user: jane}}}}]\n",
        KubeApi::TOKEN
    );
    let text = std::fs::read_to_string(&file).unwrap();
    let kept: Vec<&str> = text.lines().filter(|it| !it.starts_with("users:") && !it.starts_with("contexts:")).collect();
    std::fs::write(&file, kept.join("\n") + "\n" + &jane).unwrap();
    file
}

#[tokio::test]
async fn what_will_be_made_is_shown_and_made_only_when_it_is_agreed_to() {
    let Some(api) = KubeApi::start_with("RBAC") else { return };
    // Another test may have installed it already; then there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().danger_accept_invalid_certs(true).no_proxy().build().unwrap();
    api.ready(&client).await;
    let person = Person { state: tempfile::tempdir().unwrap(), kubeconfig: kubeconfigs(&api) };
    let namespaces = || names(&api, &client, "/api/v1/namespaces");
    let before = namespaces().await;

    let came = person.ups("janes", &["--yes"]);
    assert_eq!(came.exit, Some(3), "{}", came.err);
    assert!(came.err.contains("you may not do there what the lab needs: "), "{}", came.err);
    may(&person.kubeconfig, &["get", "list"]).await;
    let came = person.ups("janes", &["--yes"]);
    assert!(came.err.contains("; create namespaces; "), "what is lacking is named: {}", came.err);
    may(&person.kubeconfig, &["get", "list", "create", "patch", "delete", "update"]).await;
    let came = person.ups("janes", &["--yes"]);
    assert!(came.err.contains("is attempting to grant RBAC permissions not currently held"), "{}", came.err);

    let came = person.ups("real", &["--router", "nginx-gateway"]);
    assert_eq!(came.exit, Some(2), "{}", came.err);
    for expected in [
        "the context `real` is Kubernetes v1.",
        "  namespaces          flagger-system, ingress-nginx, test, nginx-gateway, registry, flux-system\n",
        "  definitions         gatewayclasses.gateway.networking.k8s.io, ",
        "(cluster-admin: it may do everything)",
        "  Flagger             in flagger-system: ServiceAccount flagger, Deployment flagger\n",
        "  nodes pull          docker.io/library/redis:8.8.0, ",
        "ghcr.io/nginx/nginx-gateway-fabric/nginx:2.6.7",
        "because this is no terminal: read the plan above, and add --yes",
    ] {
        assert!(came.err.contains(expected), "{expected}\n{}", came.err);
    }
    assert_eq!((namespaces().await, person.record()), (before.clone(), None), "nothing was made");

    // Nothing runs here: the first part that needs a pod is the last that is tried.
    let came = person.ups("real", &["--yes", "--timeout", "15s"]);
    assert_eq!(came.exit, Some(3), "{}", came.err);
    assert!(namespaces().await.len() > before.len(), "{}", came.err);
    let marked = names(&api, &client, "/apis/apps/v1/deployments?labelSelector=coalmine/lab=context").await;
    assert_eq!(
        marked.len(),
        names(&api, &client, "/apis/apps/v1/deployments").await.len(),
        "each bears the lab's mark"
    );
    let class = "/apis/networking.k8s.io/v1/ingressclasses/nginx";
    let class: Value = client
        .get(format!("{}{class}", api.url))
        .bearer_auth(KubeApi::TOKEN)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(class["metadata"]["annotations"], Value::Null, "the cluster gets no other default");

    let came = person.ups("real", &["--router", "nginx-gateway", "--yes"]);
    assert_eq!(came.exit, Some(2), "{}", came.err);
    assert!(came.err.contains("the lab `context` is there already, with the router ingress-nginx"), "{}", came.err);
    let other = person.ups("real", &["--name", "other", "--yes"]);
    assert!(other.err.contains(", of the lab `context`: `coalmine down --name context` removes it"), "{}", other.err);
    only_its_own_credentials(&person.state.path().join("coalmine/labs/context/kubeconfig"));
    assert_eq!(person.types(&["down", "--name", "context", "--forget"]).exit, Some(0));
    assert_eq!(person.record(), None);
}

/// Lets Jane do that with every kind of object.
async fn may(kubeconfig: &Path, verbs: &[&str]) {
    let admin = Client::connect_context(Some(kubeconfig), Some("real")).await.unwrap();
    let group = "rbac.authorization.k8s.io";
    let metadata = json!({"name": "janes"});
    for object in [
        json!({"apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": metadata,
            "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": verbs}]}),
        json!({"apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "janes"},
            "subjects": [{"apiGroup": group, "kind": "User", "name": "jane"}]}),
    ] {
        admin.apply(&object, "test", true).await.unwrap();
    }
    // The server acts on new roles when it has seen them itself.
    let jane = Client::connect_context(Some(kubeconfig), Some("janes")).await.unwrap();
    let verb = (*verbs.last().unwrap()).to_owned();
    let access = Access { verb, group: String::new(), resource: "namespaces".to_owned(), namespace: None };
    let may = async {
        while !jane.may(&access).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), may).await.expect("Jane may do it");
}

fn only_its_own_credentials(kubeconfig: &Path) {
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(kubeconfig).unwrap()).unwrap();
    assert_eq!((&kept["current-context"], kept["users"].as_array().unwrap().len()), (&Value::from("real"), 1));
    assert_eq!(kept["contexts"].as_array().unwrap().len(), 1);
}

//! Installing parts into a cluster: the embedded lab stands for one, with its own kubelet and controllers.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use coalmine::cluster::{Client, ClusterError};
use coalmine::event::{LabStep, StepState};
use coalmine::install::{ActError, InstallError, Installer, Others, Outcome, Part, Steps, remove};
use coalmine::lab::{Embedded, Options};
use coalmine::model::object::{Labels, ObjectRef};
use coalmine::sys::clock::Clock;
use coalmine::sys::rng::Seed;
use futures_util::FutureExt;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const LIMIT: Duration = Duration::from_mins(2);
const MARK: (&str, &str) = ("app.kubernetes.io/managed-by", "coalmine");

struct Bench {
    lab: Embedded,
    cluster: Client,
    steps: Arc<Mutex<Vec<LabStep>>>,
    installer: Installer,
}

async fn bench() -> Bench {
    let clock = Clock::simulated();
    let lab = Embedded::start(clock, Seed(1), Options::of(clock), Arc::new(|_| ())).await.unwrap();
    let steps = Arc::new(Mutex::new(Vec::new()));
    let heard = steps.clone();
    let installer = Installer {
        cluster: lab.lab().kubernetes.clone(),
        steps: Steps::new(clock, Arc::new(move |step| heard.lock().unwrap().push(step))),
        field_manager: "coalmine-lab",
        mark: Labels::from([(MARK.0.to_owned(), MARK.1.to_owned())]),
        until: None,
        others: Others::Take,
    };
    Bench { cluster: lab.lab().kubernetes.clone(), lab, steps, installer }
}

impl Bench {
    /// `name: detail` of each part that became ready since the last call, in order.
    fn ready(&self) -> Vec<String> {
        let steps = std::mem::take(&mut *self.steps.lock().unwrap());
        let done = steps.into_iter().filter(|it| it.state == StepState::Done);
        done.map(|it| format!("{}: {}", it.name, it.detail)).collect()
    }
}

fn namespace() -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}})
}

fn definition() -> Value {
    let version = json!({"name": "v1", "served": true, "storage": true,
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "toys.demo.io"},
        "spec": {"group": "demo.io", "scope": "Namespaced", "versions": [version],
            "names": {"kind": "Toy", "plural": "toys", "singular": "toy", "listKind": "ToyList"}}})
}

fn toy() -> Value {
    json!({"apiVersion": "demo.io/v1", "kind": "Toy", "metadata": {"name": "bear", "namespace": "demo"}, "spec": {"soft": true}})
}

fn app(image: &str) -> Value {
    let container = json!({"name": "podinfo", "image": image});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "app", "namespace": "demo"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "app"}},
            "template": {"metadata": {"labels": {"app": "app"}}, "spec": {"containers": [container]}}}})
}

const PODINFO: &str = "ghcr.io/stefanprodan/podinfo:6.9.2";

fn parts() -> Vec<Part> {
    let answered = || async { Ok(Outcome::done("100 %")) }.boxed();
    let proof = Part { act: Some(Box::new(answered)), ..Part::of("proof", &["app", "toys"], Vec::new(), LIMIT) };
    vec![
        proof,
        Part::of("app", &["ground"], vec![app(PODINFO)], LIMIT),
        // Its kind may not be served yet when its turn comes.
        Part::of("toys", &["ground"], vec![toy()], LIMIT),
        Part::of("ground", &[], vec![namespace(), definition()], LIMIT),
    ]
}

#[tokio::test(start_paused = true)]
async fn parts_are_installed_after_what_they_need_and_a_second_time_repairs_what_is_missing() {
    let bench = bench().await;
    let timings = bench.installer.install(parts()).await.unwrap();
    assert_eq!(bench.ready(), ["ground: 2 created", "toys: 1 created", "app: 1 created", "proof: 100 %"]);
    let of = |name: &str| timings.iter().find(|it| it.name == name).unwrap().clone();
    assert_eq!(of("app").began, of("toys").began, "both begin when the ground is ready");
    assert!(of("proof").began >= of("app").began + of("app").took);

    let bear = ObjectRef::of(&toy());
    bench.cluster.delete(&bear).await.unwrap();
    bench.cluster.merge_patch(&ObjectRef::of(&app(PODINFO)), None, &json!({"spec": {"replicas": 1}})).await.unwrap();
    bench.installer.install(parts()).await.unwrap();
    assert_eq!(bench.ready(), ["ground: unchanged", "toys: 1 created", "app: 1 configured", "proof: 100 %"]);
    let found = bench.cluster.get(&ObjectRef::of(&app(PODINFO))).await.unwrap().unwrap();
    assert_eq!(found["status"]["availableReplicas"], 2);
    bench.lab.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_part_that_does_not_become_ready_says_why_in_the_clusters_words_and_what_is_likely() {
    let bench = bench().await;
    let causes = &["it is asked for too much"];
    let ground = || Part::of("ground", &[], vec![namespace()], LIMIT);
    let broken = |image, limit| Part { causes, ..Part::of("app", &["ground"], vec![app(image)], limit) };
    let installed = async |installer: &Installer, image, limit| {
        installer.install(vec![ground(), broken(image, limit)]).await.unwrap_err().to_string()
    };

    // Long enough for no image to come, and then not.
    let text = installed(&bench.installer, "example.org/none:1", LIMIT).await;
    assert!(
        text.starts_with("app: the cluster does not get the image example.org/none:1: ImagePullBackOff: "),
        "{text}"
    );
    assert!(text.contains("`docker pull example.org/none:1` and `coalmine up` again"), "{text}");
    let text = installed(&bench.installer, "example.org/none:1", Duration::from_secs(30)).await;
    for expected in [
        "app was not ready within 30s: Deployment app in demo: 0 of 2 replicas are available",
        "ImagePullBackOff",
        causes[0],
    ] {
        assert!(text.contains(expected), "{text}");
    }
    // The whole installation's time counts as well as the part's own.
    let until = Some(bench.installer.steps.clock.elapsed() + Duration::from_secs(20));
    let text = installed(&Installer { until, ..bench.installer.clone() }, "example.org/none:1", LIMIT).await;
    assert!(text.starts_with("app was not ready within 20s: "), "{text}");
    bench.lab.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_act_and_a_refused_object_end_the_installation_with_their_reasons() {
    let bench = bench().await;
    let failing = || async { Err(ActError("no values found".to_owned())) }.boxed();
    let proof = Part { act: Some(Box::new(failing)), ..Part::of("proof", &[], Vec::new(), LIMIT) };
    let error = bench.installer.install(vec![proof]).await.unwrap_err();
    assert_eq!(error.to_string(), "proof: no values found");

    let endless = || std::future::pending().boxed();
    let proof = Part { act: Some(Box::new(endless)), ..Part::of("proof", &[], Vec::new(), LIMIT) };
    let error = bench.installer.install(vec![proof]).await.unwrap_err();
    assert_eq!(error.to_string(), "proof was not ready within 2m0s: it had not ended");

    let mut nameless = app(PODINFO);
    nameless["spec"]["template"]["spec"]["containers"][0]["name"] = json!("No Name");
    let error =
        bench.installer.install(vec![Part::of("app", &[], vec![namespace(), nameless], LIMIT)]).await.unwrap_err();
    assert!(matches!(&error, InstallError::Refused { source: ClusterError::Invalid(_), .. }), "{error}");
    bench.lab.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_installed_is_removed_and_what_others_made_stays() {
    let bench = bench().await;
    let theirs =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs", "namespace": "default"}});
    bench.cluster.create(&theirs).await.unwrap();
    bench.installer.install(parts()).await.unwrap();
    let mut objects: Vec<Value> = vec![namespace(), definition(), toy(), app(PODINFO)];
    objects.push(theirs.clone());
    let removed = remove(&bench.installer, &objects).await.unwrap();
    assert_eq!(removed.kept, [ObjectRef::of(&theirs)]);
    assert_eq!(removed.lingering, []);
    assert_eq!(removed.removed.len(), 4);
    assert!(bench.cluster.get(&ObjectRef::of(&namespace())).await.unwrap().is_none());
    let again = remove(&bench.installer, &objects).await.unwrap();
    assert_eq!((again.removed.len(), again.kept.len()), (0, 1), "a second time there is nothing left to remove");
    bench.lab.stop().await;
}

#[tokio::test(start_paused = true)]
async fn on_a_cluster_of_others_their_namespaces_are_used_and_their_objects_are_in_the_way() {
    let bench = bench().await;
    let installer = Installer { others: Others::Leave, ..bench.installer.clone() };
    bench.cluster.create(&namespace()).await.unwrap();
    bench.cluster.create(&app(PODINFO)).await.unwrap();
    let error = installer.install(parts()).await.unwrap_err();
    let expected =
        "app: Deployment app in demo is there already, and somebody else's: it is left as it is. Rename or remove it";
    assert_eq!(error.to_string(), expected);
    let labels = |it: Option<Value>| it.unwrap()["metadata"]["labels"][MARK.0].clone();
    for object in [namespace(), app(PODINFO)].iter().map(ObjectRef::of) {
        assert_eq!(labels(bench.cluster.get(&object).await.unwrap()), Value::Null, "{object} is as it was");
    }
    bench.cluster.delete(&ObjectRef::of(&app(PODINFO))).await.unwrap();
    installer.install(parts()).await.unwrap();
    let removed = remove(&installer, &[namespace(), definition(), toy(), app(PODINFO)]).await.unwrap();
    assert_eq!(removed.kept, [ObjectRef::of(&namespace())], "their namespace stays");
    bench.lab.stop().await;
}

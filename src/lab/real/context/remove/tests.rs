//! On the embedded lab, whose own parts are the ones of somebody else here.

use super::*;
use crate::event::LabStep;
use crate::lab::{Embedded, Options};
use crate::sys::clock::Clock;
use crate::sys::rng::Seed;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

const LAB: &str = "context";

struct Bench {
    embedded: Embedded,
    cluster: Client,
    steps: Steps,
    told: Arc<Mutex<Vec<LabStep>>>,
}

async fn bench() -> Bench {
    let clock = Clock::simulated();
    let embedded = Embedded::start(clock, Seed(1), Options::of(clock), Arc::new(|_| ())).await.unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = told.clone();
    let steps = Steps::new(clock, Arc::new(move |it| heard.lock().unwrap().push(it)));
    Bench { cluster: embedded.lab().kubernetes, embedded, steps, told }
}

/// What a lab with coalmine's own router makes, but for what the embedded lab has itself.
fn lab() -> Vec<Value> {
    let parts = stack::parts(Profile::Builtin, &Images::default(), &Theirs::default()).unwrap();
    let all = parts.into_iter().flat_map(|it| it.objects);
    let new = ["registry", "flux-system", "test"];
    let is_new = |it: &Value| {
        let named = ObjectRef::of(it);
        new.contains(&named.namespace.as_str())
            || (named.kind == "Namespace" && new.contains(&named.name.as_str()))
            || named.name.contains("toolkit.fluxcd.io")
            || named.name.starts_with("coalmine-flux")
    };
    let artifact = stack::demo_app(Profile::Builtin, &Images::default(), &Theirs::default()).unwrap();
    all.filter(is_new).chain(stack::app(&artifact, &Images::default()).unwrap()).collect()
}

impl Bench {
    async fn make(&self) {
        for mut object in lab() {
            for (name, value) in mark(LAB) {
                object["metadata"]["labels"][name] = value.into();
            }
            self.cluster.apply(&object, "coalmine-lab", true).await.unwrap();
        }
    }

    /// Everything that could be the lab's or somebody's: all that is in namespaces, and what labs make without one.
    async fn all(&self) -> BTreeMap<String, Value> {
        let cluster = &self.cluster;
        let mut all = Vec::new();
        for namespace in known(cluster.list("v1", "Namespace", None, None).await).unwrap() {
            all.extend(cluster.contents(namespace["metadata"]["name"].as_str().unwrap()).await.unwrap());
            all.push(namespace);
        }
        for kind in ["ClusterRole", "ClusterRoleBinding"] {
            all.extend(cluster.list("rbac.authorization.k8s.io/v1", kind, None, None).await.unwrap());
        }
        all.extend(cluster.list("apiextensions.k8s.io/v1", "CustomResourceDefinition", None, None).await.unwrap());
        let passing = |it: &Value| PASSING.contains(&it["kind"].as_str().unwrap());
        all.into_iter()
            .filter(|it| !passing(it))
            .map(|it| (ObjectRef::of(&it).to_string(), it["spec"].clone()))
            .collect()
    }

    async fn down(&self) {
        remove(&self.cluster, LAB, &self.steps).await.unwrap();
    }

    fn stays(&self) -> Vec<String> {
        let told = self.told.lock().unwrap();
        told.iter().filter(|it| it.name.ends_with(" stays")).map(|it| format!("{}: {}", it.name, it.detail)).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_lab_made_goes_and_nothing_else_changes() {
    let bench = bench().await;
    let before = bench.all().await;
    bench.make().await;
    assert!(bench.all().await.len() > before.len() + 20);
    bench.down().await;
    assert_eq!(bench.all().await, before);
    bench.down().await;
    assert_eq!(bench.all().await, before, "and a second time");
    bench.embedded.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_others_put_beside_it_stays_with_what_it_stands_on() {
    let bench = bench().await;
    bench.make().await;
    let theirs = [
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs", "namespace": "registry"}}),
        json!({"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
            "metadata": {"name": "theirs", "namespace": "default"}, "spec": {"interval": "1m", "url": "https://example.com"}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "coalmine", "namespace": "default",
            "labels": {"coalmine/lab": "another"}}}),
    ];
    for object in &theirs {
        bench.cluster.create(object).await.unwrap();
    }
    bench.down().await;
    for object in theirs.iter().map(ObjectRef::of) {
        assert!(bench.cluster.get(&object).await.unwrap().is_some(), "{object}");
    }
    let expected = [
        "CustomResourceDefinition gitrepositories.source.toolkit.fluxcd.io stays: it holds what the lab did not make: \
            GitRepository theirs in default",
        "Namespace registry stays: it holds what the lab did not make: ConfigMap theirs in registry",
    ];
    assert_eq!(bench.stays(), expected);
    let registry = ObjectRef::new("apps/v1", "Deployment", "registry", "registry");
    assert!(bench.cluster.get(&registry).await.unwrap().is_none(), "the lab's own in the same namespace went");
    bench.embedded.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_app_that_flux_does_not_prune_is_swept() {
    let bench = bench().await;
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "test"}});
    bench.cluster.create(&namespace).await.unwrap();
    let theirs = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs", "namespace": "test"}});
    bench.cluster.create(&theirs).await.unwrap();
    let before = bench.all().await;
    bench.make().await;
    // As a killed run leaves it: suspended, with the finalizer of a controller that is gone, half of the app from Flux and
    // half from the run. The namespace was there before.
    let left = json!({"spec": {"suspend": true}, "metadata": {"finalizers": ["finalizers.fluxcd.io"]}});
    for (api_version, kind, _) in OF_FLUX {
        let object = ObjectRef::new(api_version, kind, "flux-system", "podinfo");
        bench.cluster.merge_patch(&object, None, &left).await.unwrap();
    }
    let unlabelled = json!({"metadata": {"labels": {"coalmine/lab": null, "app.kubernetes.io/managed-by": null}}});
    bench.cluster.merge_patch(&ObjectRef::of(&namespace), None, &unlabelled).await.unwrap();
    for (place, mut object) in
        stack::app_objects(Profile::Builtin, &Images::default(), &Theirs::default()).unwrap().into_iter().enumerate()
    {
        if place % 2 == 0 {
            object["metadata"]["labels"]["kustomize.toolkit.fluxcd.io/name"] = "podinfo".into();
            object["metadata"]["labels"]["kustomize.toolkit.fluxcd.io/namespace"] = "flux-system".into();
            bench.cluster.apply(&object, "kustomize-controller", true).await.unwrap();
        } else {
            bench.cluster.apply(&object, RUNS, true).await.unwrap();
        }
    }
    bench.down().await;
    assert_eq!(bench.all().await, before);
    bench.embedded.stop().await;
}

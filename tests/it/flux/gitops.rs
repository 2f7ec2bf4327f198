//! An app comes, drifts, changes, fails, comes back and is released by a Canary, all through Flux.

use super::support::{Gitops, SYNC, manifest};
use coalmine::model::object::ObjectRef;
use serde_json::{Value, json};

fn text(path: &str) -> String {
    manifest(path).iter().map(Value::to_string).collect::<Vec<_>>().join("\n---\n")
}

/// podinfo as the lab's manifests have it, quick to become ready.
fn deployment(image: &str) -> String {
    let mut object = manifest("manifests/podinfo/deployment.yaml").remove(0);
    object["spec"]["minReadySeconds"] = json!(0);
    object["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
    object.to_string()
}

fn settings(value: &str) -> String {
    let metadata = json!({ "name": "settings", "namespace": "test" });
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": { "color": value } }).to_string()
}

/// The Canary of the manifests with the shortest interval and no load tester.
fn canary() -> String {
    let mut object = manifest("manifests/podinfo/canary.yaml").remove(0);
    object["spec"]["analysis"]["interval"] = json!("10s");
    object["spec"]["analysis"].as_object_mut().unwrap().remove("webhooks");
    object["spec"].as_object_mut().unwrap().remove("autoscalerRef");
    object.to_string()
}

fn files(image: &str, more: &[(&'static str, String)]) -> Vec<(&'static str, String)> {
    let mut files = vec![
        ("namespace.yaml", text("manifests/podinfo/namespace.yaml")),
        ("deployment.yaml", deployment(image)),
        ("ingress.yaml", text("manifests/podinfo/ingress.yaml")),
    ];
    files.extend_from_slice(more);
    files
}

const OLD: &str = "ghcr.io/stefanprodan/podinfo:6.9.1";
const NEW: &str = "ghcr.io/stefanprodan/podinfo:6.9.2";

fn image(deployment: &Value) -> &str {
    deployment["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap()
}

#[test]
fn flux_reconciles_an_app_into_the_embedded_lab() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let Some(flux) = Gitops::start().await else { return };
        an_app_comes(&flux).await;
        drift_is_corrected(&flux).await;
        what_is_no_longer_there_is_pruned_and_a_new_version_rolled_out(&flux).await;
        a_version_that_never_becomes_ready_fails_the_health_check(&flux).await;
        flux_and_a_canary_share_a_deployment(&flux).await;
        flux.stop().await;
    });
}

async fn an_app_comes(flux: &Gitops) {
    let digest = flux.push("v1", &files(OLD, &[("settings.yaml", settings("blue"))])).await;
    flux.promote("v1").await;
    let ready = flux.synced(&digest, "True").await;
    assert_eq!(ready["reason"], "ReconciliationSucceeded");
    for (api_version, kind, name) in [
        ("apps/v1", "Deployment", "podinfo"),
        ("networking.k8s.io/v1", "Ingress", "podinfo"),
        ("v1", "ConfigMap", "settings"),
    ] {
        let labels = flux.get(api_version, kind, name).await.unwrap()["metadata"]["labels"].clone();
        assert_eq!(labels["kustomize.toolkit.fluxcd.io/name"], "app", "{kind}");
        assert_eq!(labels["kustomize.toolkit.fluxcd.io/namespace"], "flux-system", "{kind}");
    }
    let deployment = flux.get("apps/v1", "Deployment", "podinfo").await.unwrap();
    assert_eq!(deployment["status"]["availableReplicas"], 1, "the health check waited for the lab's own controllers");
    assert_eq!(deployment["metadata"]["managedFields"][0]["manager"], "kustomize-controller");
}

async fn drift_is_corrected(flux: &Gitops) {
    let settings = flux.get("v1", "ConfigMap", "settings").await.unwrap();
    let mut changed = settings.clone();
    changed["data"]["color"] = json!("red");
    flux.cluster.replace(&changed).await.unwrap();
    flux.cluster
        .delete(&ObjectRef::of(&flux.get("networking.k8s.io/v1", "Ingress", "podinfo").await.unwrap()))
        .await
        .unwrap();
    flux.reconcile(&SYNC).await;
    assert_eq!(flux.get("v1", "ConfigMap", "settings").await.unwrap()["data"], settings["data"]);
    assert!(flux.get("networking.k8s.io/v1", "Ingress", "podinfo").await.is_some());
    // What nobody changed is left alone: no write, so the same version.
    let version = async || {
        let settings = flux.get("v1", "ConfigMap", "settings").await.unwrap();
        settings["metadata"]["resourceVersion"].clone()
    };
    let before = version().await;
    flux.reconcile(&SYNC).await;
    assert_eq!(version().await, before);
}

async fn what_is_no_longer_there_is_pruned_and_a_new_version_rolled_out(flux: &Gitops) {
    let digest = flux.push("v2", &files(NEW, &[])).await;
    flux.promote("v2").await;
    flux.synced(&digest, "True").await;
    assert!(flux.get("v1", "ConfigMap", "settings").await.is_none(), "it is not in the new version");
    let deployment = flux.get("apps/v1", "Deployment", "podinfo").await.unwrap();
    assert_eq!((image(&deployment), &deployment["status"]["updatedReplicas"]), (NEW, &json!(1)));
}

async fn a_version_that_never_becomes_ready_fails_the_health_check(flux: &Gitops) {
    let digest = flux.push("v3", &files("ghcr.io/stefanprodan/podinfo:nowhere", &[])).await;
    flux.promote("v3").await;
    let failed = flux.synced(&digest, "False").await;
    assert_eq!(failed["reason"], "HealthCheckFailed", "{failed}");
    assert!(failed["message"].as_str().unwrap().contains("Deployment/test/podinfo"), "{failed}");
}

/// Back to a version that works, and with it a Canary: the built-in controller takes over the scale of the Deployment and
/// makes objects of its own, and Flux goes on owning the rest without a quarrel.
async fn flux_and_a_canary_share_a_deployment(flux: &Gitops) {
    let digest = flux.push("v4", &files(NEW, &[("canary.yaml", canary())])).await;
    flux.promote("v4").await;
    flux.synced(&digest, "True").await;
    let initialized = async || {
        let canary = flux.get("flagger.app/v1beta1", "Canary", "podinfo").await?;
        (canary["status"]["phase"] == "Initialized").then_some(())
    };
    flux.until("the Canary is Initialized", initialized).await;
    let primary = flux.get("apps/v1", "Deployment", "podinfo-primary").await.unwrap();
    assert_eq!(image(&primary), NEW);
    let labels = primary["metadata"]["labels"].as_object().unwrap();
    assert!(labels.keys().all(|it| !it.contains("fluxcd.io")), "Flux' labels would make Flux prune it: {labels:?}");
    let service = flux.get("v1", "Service", "podinfo").await.unwrap();
    assert_eq!(service["metadata"]["annotations"]["kustomize.toolkit.fluxcd.io/reconcile"], "disabled");
    flux.reconcile(&SYNC).await;
    flux.synced(&digest, "True").await;
    let target = flux.get("apps/v1", "Deployment", "podinfo").await.unwrap();
    assert_eq!(target["spec"]["replicas"], 0, "Flux leaves the scale to the canary controller");
    assert!(
        flux.get("apps/v1", "Deployment", "podinfo-primary").await.is_some(),
        "and does not prune what is not its own"
    );
}

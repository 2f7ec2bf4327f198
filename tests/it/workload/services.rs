//! Services, EndpointSlices, Endpoints, and the data plane's view.

use super::cluster::{Cluster, deployment, release};
use serde_json::{Value, json};

fn service(name: &str, selector: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "test"},
        "spec": {"selector": selector, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    })
}

fn ready(it: &Cluster, service: &str) -> Vec<String> {
    let endpoints = it.controllers.endpoints().ready("test", service, 80).expect("the service is known");
    endpoints.iter().map(|it| it.pod.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn ready_pods_are_behind_their_service_in_all_three_forms() {
    let it = Cluster::start(5);
    it.create("services", service("app", &json!({"app": "app"})));
    it.create("deployments.apps", deployment(3, "1"));
    it.pass(0.1).await;
    assert!(ready(&it, "app").is_empty(), "known, and nobody is ready");
    it.pass(20.0).await;
    assert_eq!(ready(&it, "app"), it.pods());
    let slices = it.list("endpointslices.discovery.k8s.io");
    assert_eq!(slices.len(), 1, "{slices:#?}");
    assert_eq!(slices[0]["metadata"]["labels"]["kubernetes.io/service-name"], "app");
    assert_eq!(slices[0]["ports"][0]["port"], 9898);
    assert_eq!(slices[0]["endpoints"].as_array().map(Vec::len), Some(3));
    let endpoints = it.get("endpoints", "app");
    assert_eq!(endpoints["subsets"][0]["addresses"].as_array().map(Vec::len), Some(3));
    assert!(it.controllers.endpoints().ready("test", "app", 81).is_none(), "no such port");
    assert!(it.controllers.endpoints().ready("test", "nobody", 80).is_none(), "no such service");
    assert_eq!(it.controllers.endpoints().ready_named("test", "app", "http").map(|it| it.len()), Some(3));
}

#[tokio::test(start_paused = true)]
async fn a_pod_leaves_its_service_when_it_is_deleted_and_before_it_ends() {
    let it = Cluster::start(5);
    it.create("services", service("app", &json!({"app": "app"})));
    it.create("deployments.apps", deployment(2, "1"));
    it.pass(20.0).await;
    let first = it.pods()[0].clone();
    it.delete("pods", &first);
    it.pass(0.01).await;
    assert!(!ready(&it, "app").contains(&first));
    assert!(it.runtime.of(&first).ended().is_none(), "it drains");
    let slice = &it.list("endpointslices.discovery.k8s.io")[0];
    let endpoints = slice["endpoints"].as_array().expect("endpoints");
    let going = endpoints.iter().find(|it| it["targetRef"]["name"] == first.as_str()).expect("it is still told");
    assert_eq!(going["conditions"], json!({"ready": false, "serving": true, "terminating": true}));
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_not_ready_is_not_behind_its_service() {
    let it = Cluster::start(5);
    it.create("services", service("app", &json!({"app": "app"})));
    it.create("deployments.apps", deployment(2, "1"));
    it.pass(20.0).await;
    let first = it.pods()[0].clone();
    it.runtime.of(&first).ready.send_replace(false);
    it.pass(8.0).await;
    assert_eq!(ready(&it, "app"), [it.pods()[1].clone()]);
}

#[tokio::test(start_paused = true)]
async fn changing_selectors_and_labels_moves_pods_between_services() {
    let it = Cluster::start(5);
    it.create("services", service("app", &json!({"app": "app"})));
    it.create("services", service("other", &json!({"app": "other"})));
    it.create("deployments.apps", deployment(2, "1"));
    it.pass(20.0).await;
    let first = it.pods()[0].clone();
    it.patch("pods", &first, json!({"metadata": {"labels": {"app": "other"}}}));
    it.pass(0.1).await;
    assert!(!ready(&it, "app").contains(&first));
    assert_eq!(ready(&it, "other"), [first]);
    it.patch("services", "other", json!({"spec": {"selector": {"app": "app"}}}));
    it.pass(0.1).await;
    assert_eq!(ready(&it, "other"), ready(&it, "app"));
    it.delete("services", "other");
    it.pass(0.1).await;
    assert!(!it.controllers.endpoints().knows("test", "other"));
    assert_eq!(it.list("endpointslices.discovery.k8s.io").len(), 1, "its slices went with it");
    assert_eq!(it.list("endpoints").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn slices_that_somebody_changes_or_deletes_are_put_right() {
    let it = Cluster::start(5);
    it.create("services", service("app", &json!({"app": "app"})));
    it.create("deployments.apps", deployment(2, "1"));
    it.pass(20.0).await;
    let kind = "endpointslices.discovery.k8s.io";
    let slice = |it: &Cluster| {
        let slices = it.list(kind);
        assert_eq!(slices.len(), 1);
        let name = slices[0]["metadata"]["name"].as_str().expect("a name").to_owned();
        (name, slices[0]["endpoints"].as_array().map(Vec::len))
    };
    let (first, _) = slice(&it);
    it.patch(kind, &first, json!({"endpoints": []}));
    it.pass(0.1).await;
    assert_eq!(slice(&it), (first.clone(), Some(2)));
    it.delete(kind, &first);
    it.pass(0.1).await;
    assert_eq!(slice(&it).1, Some(2));
}

/// During a whole rollout there is always somebody ready, and everybody who is ready also runs.
#[tokio::test(start_paused = true)]
async fn a_service_is_never_empty_during_a_rollout() {
    let it = Cluster::start(5);
    it.create("services", service("app", &json!({"app": "app"})));
    it.create("deployments.apps", deployment(2, "1"));
    it.pass(20.0).await;
    it.patch("deployments.apps", "app", release("2"));
    for _ in 0..600 {
        it.pass(0.05).await;
        let ready = ready(&it, "app");
        assert!(ready.len() >= 2, "{ready:?}");
        for pod in ready {
            assert!(it.controllers.pods().process("test", &pod).is_some(), "{pod}");
        }
    }
}

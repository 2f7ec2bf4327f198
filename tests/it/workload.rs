//! Controllers and kubelet on the real embedded server, on a paused clock, with a fake runtime.

mod cluster;
mod fake;

use cluster::{Cluster, condition, deployment, release};

#[tokio::test(start_paused = true)]
async fn a_deployment_becomes_available_and_says_so() {
    let it = Cluster::start(1);
    it.create("deployments.apps", deployment(2, "1"));
    it.until(20.0, "two available pods", |it| it.get("deployments.apps", "app")["status"]["availableReplicas"] == 2)
        .await;
    it.pass(1.0).await;
    let app = it.get("deployments.apps", "app");
    let set = it.list("replicasets.apps")[0]["metadata"]["name"].as_str().unwrap().to_owned();
    assert_eq!(condition(&app, "Available"), "True/MinimumReplicasAvailable/Deployment has minimum availability.");
    let progressing = format!("True/NewReplicaSetAvailable/ReplicaSet \"{set}\" has successfully progressed.");
    assert_eq!(condition(&app, "Progressing"), progressing);
    assert_eq!(app["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "1");
    assert_eq!(app["status"]["observedGeneration"], app["metadata"]["generation"]);
    let pod = &it.list("pods")[0];
    assert!(pod["metadata"]["name"].as_str().unwrap().starts_with(&format!("{set}-")), "{pod:#}");
    assert_eq!(pod["status"]["phase"], "Running");
    assert_eq!(it.events("Deployment"), [format!("1x ScalingReplicaSet: Scaled up replica set {set} from 0 to 2")]);
}

#[tokio::test(start_paused = true)]
async fn a_release_costs_a_few_hundred_writes() {
    let it = Cluster::start(1);
    it.create("deployments.apps", deployment(2, "1"));
    it.pass(30.0).await;
    let before = it.api.revision();
    it.patch("deployments.apps", "app", release("2"));
    it.pass(60.0).await;
    assert_eq!(it.get("deployments.apps", "app")["status"]["updatedReplicas"], 2);
    let writes = it.api.revision() - before;
    assert!(writes < 200, "{writes} writes");
}

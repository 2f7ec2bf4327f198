//! Two real Flaggers with `-enable-leader-election` on one embedded API: one leads; it is killed in mid-release; the other
//! takes over, and the release goes on.

use crate::fidelity::arm::{self, Election};
use crate::fidelity::policy::{Policy, When};
use crate::fidelity::record::Recorder;
use crate::real::free_port;
use coalmine::cluster::Client;
use coalmine::model::object::ObjectRef;
use coalmine::sys::clock::Clock;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

const LEADS: &str = "Acting as elected leader";
const FOLLOWS: &str = "Another instance has been elected as leader";
/// Flagger's Lease lasts 60 s and is asked for every 5 s; the rest is ticks, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(480);
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub fn one_takes_over_from_the_other(program: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let played = tokio::time::timeout(PATIENCE, play(program));
        played.await.expect("the second Flagger brings the release to its end");
    });
    runtime.shutdown_background();
}

async fn play(program: &Path) {
    let policies = [policy()];
    let name = policies[0].name;
    let recorder = Recorder::new(&policies);
    let embedded = arm::start(Clock::wall(), &recorder).await;
    let cluster = embedded.lab().kubernetes;
    let following = tokio::spawn(recorder.clone().follow(cluster.clone()));
    let start =
        |folder: &TempDir| arm::flagger(program, folder, embedded.served().unwrap(), free_port(), Election::Yes);
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let first = start(&folders[0]);
    until(&folders[0], LEADS).await;
    let _second = start(&folders[1]);
    until(&folders[1], FOLLOWS).await;
    let before = lease(&cluster).await;

    for object in &policies[0].objects {
        cluster.create(object).await.unwrap();
    }
    let from_the_start = recorder.mark("nobody");
    recorder.until(name, When::Phase("Initialized"), from_the_start).await;
    let podinfo = ObjectRef::new("apps/v1", "Deployment", name, "podinfo");
    let image = json!([{"op": "replace", "path": "/spec/template/spec/containers/0/image",
        "value": "ghcr.io/stefanprodan/podinfo:6.9.3"}]);
    cluster.json_patch(&podinfo, None, &image).await.unwrap();
    for begun in [When::Event("New revision detected!"), When::Phase("Progressing")] {
        recorder.until(name, begun, from_the_start).await;
    }
    assert!(!arm::log(&folders[1]).contains(LEADS), "only one leads");
    drop(first);

    recorder.until(name, When::Event("Promotion completed!"), from_the_start).await;
    following.abort();
    assert!(arm::log(&folders[1]).contains(LEADS), "the other leads now");
    let after = lease(&cluster).await;
    assert_ne!(before["holderIdentity"], after["holderIdentity"]);
    assert_eq!(after["leaseTransitions"], 1, "{after}");
    let record = recorder.of(name);
    for text in ["Initialization done!", "New revision detected!", "Promotion completed!"] {
        let times = record.texts(0).filter(|it| it.starts_with(text)).count();
        assert_eq!(times, 1, "`{text}` is told once, by whoever leads: {:?}", record.texts(0).collect::<Vec<_>>());
    }
    embedded.stop().await;
}

/// As few ticks as a release with a weight can have.
fn policy() -> Policy {
    let analysis = json!({"interval": "10s", "threshold": 1, "stepWeight": 100, "metrics": []});
    Policy::nginx("leader", "", analysis).without_traffic()
}

/// Waits until a Flagger has said something.
async fn until(folder: &TempDir, text: &str) {
    while !arm::log(folder).contains(text) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn lease(cluster: &Client) -> Value {
    let lease = ObjectRef::new("coordination.k8s.io/v1", "Lease", "kube-system", "flagger-leader-election");
    cluster.get(&lease).await.unwrap().expect("Flagger's Lease")["spec"].clone()
}

//! The kubelet: starting, probing, restarting and ending containers.

use super::cluster::{Cluster, condition, deployment};
use super::fake::DRAIN;
use coalmine::workload::runtime::EXIT_KILLED;
use serde_json::{Value, json};
use std::time::Duration;

/// A bare pod `app` with this container (image `registry.test/app:TAG`) and more of the spec.
fn pod(tag: &str, container: Value, spec: Value) -> Value {
    let mut whole = json!({"name": "app", "image": format!("registry.test/app:{tag}"), "ports": [{"name": "http", "containerPort": 9898}]});
    merge(&mut whole, container);
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "app", "namespace": "test", "labels": {"app": "app"}},
        "spec": {"containers": [whole]},
    });
    merge(&mut pod["spec"], spec);
    pod
}

fn merge(into: &mut Value, more: Value) {
    let (Value::Object(into), Value::Object(more)) = (into, more) else { panic!("two objects") };
    into.extend(more);
}

/// (second, what the container's state is) each time it changes, for `seconds`.
async fn states(it: &Cluster, seconds: u32) -> Vec<(u32, String)> {
    let mut seen: Vec<(u32, String)> = Vec::new();
    for second in 0..seconds {
        let pod = it.pod();
        let status = &pod["status"]["containerStatuses"][0];
        let state = match &status["state"] {
            state if state["waiting"].is_object() => state["waiting"]["reason"].as_str().unwrap_or("").to_owned(),
            state if state["running"].is_object() => format!("Running {}", status["restartCount"]),
            state if state["terminated"].is_object() => format!("Terminated {}", state["terminated"]["exitCode"]),
            _ => "none".to_owned(),
        };
        if state != "none" && seen.last().is_none_or(|(_, last)| *last != state) {
            seen.push((second, state));
        }
        it.pass(1.0).await;
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn a_pod_goes_from_pending_to_ready_and_its_events_tell_how() {
    let it = Cluster::start(3);
    it.create(
        "pods",
        pod(
            "1",
            json!({"readinessProbe": {"httpGet": {"port": 9898, "path": "/readyz"}, "initialDelaySeconds": 5}}),
            json!({}),
        ),
    );
    it.pass(0.3).await;
    assert_eq!((it.pod()["status"]["phase"].as_str(), it.waiting().as_str()), (Some("Pending"), "ContainerCreating"));
    it.until(10.0, "it runs", |it| it.pod()["status"]["phase"] == "Running").await;
    assert_eq!(condition(&it.pod(), "Ready"), "False/ContainersNotReady/containers with unready status: [app]");
    // Probes come at the start and then every ten seconds; the first one is within the delay.
    let took = it.until(20.0, "it is ready", |it| condition(&it.pod(), "Ready") == "True//").await;
    assert!((9.8..=10.3).contains(&took), "{took} s");
    let kinds: Vec<String> = it.events("Pod").iter().map(|it| it.split(' ').nth(1).unwrap_or("").to_owned()).collect();
    assert_eq!(kinds, ["Scheduled:", "Pulling:", "Pulled:", "Created:", "Started:"]);
    let ip = it.pod()["status"]["podIP"].as_str().unwrap().to_owned();
    assert!(ip.starts_with("10.244.0."), "{ip}");
    assert!(it.controllers.pods().by_ip(&ip, 9898).is_some());
    assert!(it.controllers.pods().process("test", "app").is_some());
    assert_eq!(it.controllers.pods().pod_of_ip(&ip), Some(("test".to_owned(), "app".to_owned())));
    assert!(it.api.get("nodes", "", "coalmine").is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_second_pod_of_an_image_does_not_pull_it() {
    let it = Cluster::start(3);
    it.create("deployments.apps", deployment(1, "1"));
    it.pass(20.0).await;
    it.patch("deployments.apps", "app", json!({"spec": {"replicas": 2}}));
    it.pass(20.0).await;
    let present = "1x Pulled: Container image \"registry.test/app:1\" already present on machine".to_owned();
    assert!(it.events("Pod").contains(&present), "{:#?}", it.events("Pod"));
}

#[tokio::test(start_paused = true)]
async fn an_image_that_cannot_be_pulled_is_tried_less_and_less_often() {
    let it = Cluster::start(3);
    it.create("pods", pod("missing", json!({}), json!({})));
    let seen = states(&it, 120).await;
    let reasons: Vec<&str> = seen.iter().map(|(_, state)| state.as_str()).collect();
    let (err, off) = ("ErrImagePull", "ImagePullBackOff");
    assert_eq!(reasons, ["ContainerCreating", err, off, err, off, err, off, err, off]);
    let tries: Vec<u32> = seen.iter().filter(|(_, state)| state == err).map(|(second, _)| *second).collect();
    let gaps: Vec<u32> = tries.windows(2).map(|it| it[1] - it[0]).collect();
    // Back-off, and the half second that a failing pull takes.
    assert!((10..=12).contains(&gaps[0]) && (20..=22).contains(&gaps[1]) && (40..=42).contains(&gaps[2]), "{gaps:?}");
    let image = "registry.test/app:missing";
    let why = format!(
        "rpc error: code = NotFound desc = failed to pull and unpack image \"{image}\": failed to resolve reference \"{image}\": {image}: not found"
    );
    let message = it.pod()["status"]["containerStatuses"][0]["state"]["waiting"]["message"].clone();
    assert_eq!(message, format!("Back-off pulling image \"{image}\": ErrImagePull: {why}"));
    let events = it.events("Pod");
    for expected in [
        format!("4x Pulling: Pulling image \"{image}\""),
        format!("4x Failed: Failed to pull image \"{image}\": {why}"),
        "4x Failed: Error: ErrImagePull".to_owned(),
        format!("4x BackOff: Back-off pulling image \"{image}\""),
        "4x Failed: Error: ImagePullBackOff".to_owned(),
    ] {
        assert!(events.contains(&expected), "{expected} is not in {events:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_that_crashes_waits_longer_each_time() {
    let it = Cluster::start(3);
    it.create("pods", pod("crash-2", json!({}), json!({})));
    let seen = states(&it, 400).await;
    let starts: Vec<u32> = seen.iter().filter(|(_, it)| it.starts_with("Running")).map(|(second, _)| *second).collect();
    let gaps: Vec<u32> = starts.windows(2).map(|it| it[1] - it[0]).collect();
    // Two seconds of life, then the wait; the first restart is at once. Starting takes a little.
    for (gap, wait) in gaps.iter().zip([1, 10, 20, 40, 80, 160]) {
        assert!((wait + 2..=wait + 4).contains(gap), "{gaps:?}");
    }
    assert_eq!(gaps.len(), 6);
    let pod = it.pod();
    let status = &pod["status"]["containerStatuses"][0];
    assert_eq!(status["restartCount"], 6);
    assert_eq!(status["lastState"]["terminated"]["exitCode"], 1);
    let uid = pod["metadata"]["uid"].as_str().unwrap();
    let message = format!("back-off 5m0s restarting failed container=app pod=app_test({uid})");
    assert_eq!(status["state"]["waiting"], json!({"reason": "CrashLoopBackOff", "message": message}));
    assert_eq!(pod["status"]["phase"], "Running");
    let expected = format!("6x BackOff: Back-off restarting failed container app in pod app_test({uid})");
    assert!(it.events("Pod").contains(&expected), "{:#?}", it.events("Pod"));
}

#[tokio::test(start_paused = true)]
async fn a_failed_liveness_probe_restarts_the_container() {
    let it = Cluster::start(3);
    let probe = json!({"exec": {"command": ["podcli", "check", "http", "localhost:9898/healthz"]}, "periodSeconds": 5});
    it.create("pods", pod("1", json!({"livenessProbe": probe}), json!({})));
    it.pass(10.0).await;
    it.runtime.of("app").healthy.send_replace(false);
    let took = it.until(40.0, "a restart", |it| it.pod()["status"]["containerStatuses"][0]["restartCount"] == 1).await;
    assert!((10.0..=18.0).contains(&took), "three failures five seconds apart, then a restart: {took} s");
    let events = it.events("Pod");
    assert!(
        events.contains(&"1x Killing: Container app failed liveness probe, will be restarted".to_owned()),
        "{events:#?}"
    );
    let unhealthy =
        "3x Unhealthy: Liveness probe failed: check failed address=localhost:9898/healthz status code=503".to_owned();
    assert!(events.contains(&unhealthy), "{events:#?}");
    assert_eq!(it.runtime.processes.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_failed_readiness_probe_takes_the_pod_out_and_a_good_one_puts_it_back() {
    let it = Cluster::start(3);
    let probe = json!({"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 2});
    it.create("pods", pod("1", json!({"readinessProbe": probe}), json!({})));
    it.until(10.0, "it is ready", |it| condition(&it.pod(), "Ready") == "True//").await;
    it.runtime.of("app").ready.send_replace(false);
    let took = it.until(20.0, "it is not", |it| condition(&it.pod(), "Ready").starts_with("False")).await;
    assert!((4.0..=6.2).contains(&took), "three failures: {took} s");
    let failed = "3x Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 503".to_owned();
    assert!(it.events("Pod").contains(&failed), "{:#?}", it.events("Pod"));
    it.runtime.of("app").ready.send_replace(true);
    it.until(2.2, "it is ready again", |it| condition(&it.pod(), "Ready") == "True//").await;
    assert_eq!(it.pod()["status"]["containerStatuses"][0]["restartCount"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_startup_probe_holds_the_others_back() {
    let it = Cluster::start(3);
    let probe = |period: u32, failures: u32| json!({"httpGet": {"path": "/readyz", "port": 9898}, "periodSeconds": period, "failureThreshold": failures});
    let container = json!({"startupProbe": probe(1, 30), "livenessProbe": probe(1, 1), "readinessProbe": probe(1, 1)});
    it.create("pods", pod("late-12", container, json!({})));
    it.until(40.0, "it is ready", |it| condition(&it.pod(), "Ready") == "True//").await;
    let pod = it.pod();
    assert_eq!(pod["status"]["containerStatuses"][0]["restartCount"], 0, "liveness waited");
    let events = it.events("Pod");
    assert!(events.iter().any(|it| it.contains("Startup probe failed: Get \"http://10.244.0.2:9898/readyz\": dial tcp 10.244.0.2:9898: connect: connection refused")), "{events:#?}");
    assert!(!events.iter().any(|it| it.contains("Liveness")), "{events:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_startup_probe_that_never_passes_restarts_the_container() {
    let it = Cluster::start(3);
    let probe = json!({"httpGet": {"path": "/readyz", "port": 9898}, "periodSeconds": 1, "failureThreshold": 5});
    it.create("pods", pod("late-60", json!({"startupProbe": probe}), json!({})));
    it.until(20.0, "a restart", |it| it.pod()["status"]["containerStatuses"][0]["restartCount"] == 1).await;
    let killed = "1x Killing: Container app failed startup probe, will be restarted".to_owned();
    assert!(it.events("Pod").contains(&killed), "{:#?}", it.events("Pod"));
}

#[tokio::test(start_paused = true)]
async fn a_pod_ends_gracefully() {
    let it = Cluster::start(3);
    it.create("pods", pod("1", json!({"lifecycle": {"preStop": {"exec": {"command": ["sleep", "3"]}}}}), json!({})));
    it.pass(10.0).await;
    let process = it.runtime.of("app");
    it.delete("pods", "app");
    it.pass(2.9).await;
    let pod = it.pod();
    assert!(pod["metadata"]["deletionTimestamp"].is_string() && process.ended().is_none(), "the hook sleeps");
    it.pass(0.2 + DRAIN.as_secs_f64()).await;
    assert_eq!((it.pods().len(), process.ended()), (0, Some(0)), "it drained and went");
    assert!(it.controllers.pods().process("test", "app").is_none());
    assert!(it.events("Pod").contains(&"1x Killing: Stopping container app".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_process_that_does_not_listen_is_killed_when_its_time_is_up() {
    let it = Cluster::start(3);
    it.create("pods", pod("stubborn", json!({}), json!({"terminationGracePeriodSeconds": 8})));
    it.pass(10.0).await;
    let process = it.runtime.of("app");
    it.delete("pods", "app");
    it.pass(7.9).await;
    assert_eq!((it.pods().len(), process.ended()), (1, None));
    it.pass(0.2).await;
    assert_eq!((it.pods().len(), process.ended()), (0, Some(EXIT_KILLED)));
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_deleted_while_it_starts_leaves_nothing_behind() {
    for wait in [0.0, 0.2, 0.7, 2.0, 3.0] {
        let it = Cluster::start(3);
        it.create("pods", pod("1", json!({}), json!({})));
        it.pass(wait).await;
        it.delete("pods", "app");
        it.pass(5.0).await;
        assert!(it.pods().is_empty(), "after {wait} s: {:#?}", it.list("pods"));
        let processes = it.runtime.processes.lock().unwrap();
        assert!(processes.iter().all(|process| process.ended().is_some()), "after {wait} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_config_map_stops_the_container_until_it_is_there() {
    let it = Cluster::start(3);
    let env = json!([
        {"name": "GREETING", "valueFrom": {"configMapKeyRef": {"name": "config", "key": "greeting"}}},
        {"name": "WHO", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}},
        {"name": "BOTH", "value": "$(GREETING), $(WHO)"},
        {"name": "MAYBE", "valueFrom": {"secretKeyRef": {"name": "none", "key": "x", "optional": true}}},
    ]);
    let container = json!({
        "env": env,
        "envFrom": [{"prefix": "S_", "secretRef": {"name": "secret"}}],
        "args": ["--message", "$(BOTH)"],
        "resources": {"limits": {"cpu": "250m"}},
        "volumeMounts": [{"name": "files", "mountPath": "/etc/app"}],
    });
    it.create("secrets", json!({"metadata": {"name": "secret"}, "data": {"token": "aGVsbG8="}}));
    it.create("configmaps", json!({"metadata": {"name": "files"}, "data": {"a.yaml": "x: 1"}}));
    it.create("pods", pod("1", container, json!({"volumes": [{"name": "files", "configMap": {"name": "files"}}]})));
    it.pass(10.0).await;
    assert_eq!(it.waiting(), "CreateContainerConfigError");
    assert_eq!(
        it.pod()["status"]["containerStatuses"][0]["state"]["waiting"]["message"],
        "configmap \"config\" not found"
    );
    it.create("configmaps", json!({"metadata": {"name": "config"}, "data": {"greeting": "hello"}}));
    it.until(16.0, "it runs", |it| it.pod()["status"]["phase"] == "Running").await;
    let started = it.runtime.started.lock().unwrap();
    let spec = started.last().expect("one start");
    let env: Vec<String> = spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(env, ["BOTH=hello, app", "CPU=250", "GREETING=hello", "HOSTNAME=app", "S_token=hello", "WHO=app"]);
    assert_eq!(spec.args, ["--message", "hello, app"]);
    assert_eq!(spec.files["/etc/app"]["a.yaml"], "x: 1");
}

#[tokio::test(start_paused = true)]
async fn a_missing_volume_is_told_and_waited_for() {
    let it = Cluster::start(3);
    it.create("pods", pod("1", json!({}), json!({"volumes": [{"name": "files", "configMap": {"name": "files"}}]})));
    it.pass(10.0).await;
    let failed = "FailedMount: MountVolume.SetUp failed for volume \"files\" : configmap \"files\" not found";
    assert!(it.events("Pod").iter().any(|it| it.ends_with(failed)), "{:#?}", it.events("Pod"));
    assert_eq!(it.waiting(), "ContainerCreating");
    it.create("configmaps", json!({"metadata": {"name": "files"}, "data": {}}));
    it.until(30.0, "it runs", |it| it.pod()["status"]["phase"] == "Running").await;
}

#[tokio::test(start_paused = true)]
async fn a_process_that_cannot_start_says_so_and_is_tried_again() {
    let it = Cluster::start(3);
    it.create("pods", pod("broken", json!({}), json!({})));
    it.pass(30.0).await;
    let status = &it.pod()["status"]["containerStatuses"][0];
    let ended = &status["lastState"]["terminated"];
    assert_eq!((ended["exitCode"].as_i64(), ended["reason"].as_str()), (Some(128), Some("StartError")), "{status:#}");
    assert_eq!(it.waiting(), "CrashLoopBackOff");
}

#[tokio::test(start_paused = true)]
async fn init_containers_come_first_and_a_job_like_pod_succeeds() {
    let it = Cluster::start(3);
    let init = json!([{"name": "prepare", "image": "registry.test/app:done"}]);
    it.create("pods", pod("crash-5", json!({}), json!({"restartPolicy": "Never", "initContainers": init})));
    it.until(20.0, "it runs", |it| it.pod()["status"]["phase"] == "Running").await;
    let order: Vec<String> = it.runtime.started.lock().unwrap().iter().map(|it| it.name.clone()).collect();
    assert_eq!(order, ["prepare", "app"]);
    it.pass(6.0).await;
    assert_eq!(it.pod()["status"]["phase"], "Failed");
    assert_eq!(it.runtime.started.lock().unwrap().len(), 2, "it is not restarted");
    it.delete("pods", "app");
    it.pass(1.0).await;
    assert!(it.pods().is_empty());
}

#[tokio::test(start_paused = true)]
async fn stopping_the_controllers_kills_all_processes() {
    let it = Cluster::start(3);
    it.create("deployments.apps", deployment(2, "1"));
    it.pass(20.0).await;
    it.controllers.shutdown().await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    let processes = it.runtime.processes.lock().unwrap();
    assert!(processes.len() == 2 && processes.iter().all(|process| process.ended() == Some(EXIT_KILLED)));
}

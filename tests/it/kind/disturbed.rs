//! What goes wrong in a lab that is up: its API, its Prometheus, its Flagger, its images, its engine. Each is outlived, or said
//! in words with exit code 3 and evidence.

use super::support::Coalmine;
use super::traces::docker;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long the API is gone: a run gives up after two minutes.
const GONE_FOR: Duration = Duration::from_secs(20);
/// A good release that bears more failed checks than there are in these disturbances, in short intervals.
const SCENARIO: &str = "\
name: disturbed
title: A good release is promoted, whatever happens around it
manifests: ['builtin:podinfo/namespace.yaml', 'builtin:podinfo/deployment.yaml', 'builtin:podinfo/autoscaler.yaml',
  'builtin:podinfo/ingress.yaml', 'builtin:podinfo/loadtester.yaml', canary.yaml]
warmup: 20s
traffic: [{name: visitors, arrivals: {constant: 100}}]
steps: [{release: {at: 2s, tag: 6.9.3}}]
expect:
  verdict: promoted
  events: ['Prometheus query failed*', 'Promotion completed! Scaling down podinfo.test']
";

/// The Canary of the built-in scenarios with this test's times.
fn canary() -> String {
    let text = coalmine::scenario::builtin::manifest("podinfo/canary.yaml").unwrap();
    let changed = text.replace("interval: 15s", "interval: 10s").replace("interval: 1m", "interval: 20s");
    let changed = changed.replace("threshold: 5", "threshold: 30");
    assert_eq!(changed.matches("interval: 10s").count() + changed.matches("interval: 20s").count(), 3, "{changed}");
    changed
}

/// kubectl in the lab's node, as its administrator.
fn kubectl(node: &str, args: &[&str]) {
    docker(
        &[&["exec", node, "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "-n", "flagger-system"], args].concat(),
    );
}

/// What is done when a run says something for the first time.
struct Disturbance<'a> {
    when: &'static str,
    act: Box<dyn Fn() + 'a>,
}

/// Flagger is restarted, Prometheus is away until Flagger has missed it, the API is gone for a while: the release is promoted.
pub fn a_release_is_decided(coalmine: &Coalmine<'_>, lab: &str, node: &str) {
    let state = coalmine.state;
    std::fs::write(state.join("disturbed.yaml"), SCENARIO).unwrap();
    std::fs::write(state.join("canary.yaml"), canary()).unwrap();
    #[expect(clippy::disallowed_methods, reason = "how long it is gone is what is tried")]
    let frozen = || {
        docker(&["pause", node]);
        std::thread::sleep(GONE_FOR);
        docker(&["unpause", node]);
    };
    let disturbances = [
        Disturbance {
            when: "Starting canary analysis for podinfo.test",
            act: Box::new(|| kubectl(node, &["delete", "pod", "-l", "app=flagger", "--wait=false"])),
        },
        Disturbance {
            when: "Advance podinfo.test canary weight 20",
            act: Box::new(|| kubectl(node, &["scale", "deployment/prometheus", "--replicas=0"])),
        },
        Disturbance {
            when: "Prometheus query failed",
            act: Box::new(|| kubectl(node, &["scale", "deployment/prometheus", "--replicas=1"])),
        },
        Disturbance { when: "Advance podinfo.test canary weight 40", act: Box::new(frozen) },
    ];
    let said = run(state, &["run", "disturbed.yaml", "--lab", lab, "--out", "disturbed"], &disturbances);
    for expected in
        ["the Kubernetes API does not answer: ", "the Kubernetes API answers again, after ", "promoted, as expected"]
    {
        assert!(said.contains(expected), "no `{expected}` in\n{said}");
    }
    assert!(state.join("disturbed/record.jsonl").exists());
}

/// Does one disturbance after the other, each when its words are said; gives all that was said.
fn run(state: &Path, args: &[&str], disturbances: &[Disturbance<'_>]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coalmine"));
    command.args(args).env("XDG_STATE_HOME", state).current_dir(state);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    let (mut said, mut next) = (String::new(), disturbances.iter().peekable());
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some(it) = next.next_if(|it| line.contains(it.when)) {
            (it.act)();
        }
        said += &(line + "\n");
    }
    let ended = child.wait().unwrap();
    assert!(ended.success(), "{ended}\n{said}");
    assert!(next.peek().is_none(), "`{}` was never said:\n{said}", next.peek().unwrap().when);
    said
}

/// Prometheus is given an image that crashes, and one that nobody has.
pub fn parts_that_do_not_come_up_say_why(coalmine: &Coalmine<'_>, up: &[&str], images: &str) {
    let line = |part: &str| {
        let prefix = format!("  {part}: ");
        images.lines().find(|it| it.starts_with(&prefix)).unwrap().trim_start_matches(&prefix).to_owned()
    };
    let none = "'127.0.0.1:9/none/prometheus:v1'".to_owned();
    for (name, image, timeout, words) in [
        // podinfo does not know the flags of Prometheus, says so, and ends.
        (
            "crashing",
            line("podinfo"),
            "40s",
            &["Prometheus was not ready within ", "pod prometheus-", "exit code 2"][..],
        ),
        (
            "missing",
            none,
            "5m",
            &[
                "Prometheus: the cluster does not get the image 127.0.0.1:9/none/prometheus:v1: ",
                "`docker pull 127.0.0.1:9/none/prometheus:v1` and `coalmine up` again",
            ],
        ),
    ] {
        let changed =
            images.replace(&format!("  prometheus: {}\n", line("prometheus")), &format!("  prometheus: {image}\n"));
        assert_ne!(changed, images);
        let (file, folder) = (format!("{name}.yaml"), coalmine.state.join(name));
        std::fs::write(coalmine.state.join(&file), changed).unwrap();
        let mut args: Vec<&str> = up.iter().map(|it| if *it == "images.yaml" { file.as_str() } else { it }).collect();
        args.extend(["--timeout", timeout, "--out", name]);
        let output = coalmine.run(&args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{said}");
        for expected in words {
            assert!(said.contains(expected), "no `{expected}` in\n{said}");
        }
        let pods = std::fs::read_to_string(folder.join("Pod.json")).unwrap();
        assert!(pods.contains("\"prometheus-"), "the pods are evidence");
        assert!(folder.join("Event.json").exists() && folder.join("kind").is_dir(), "events, and the node's journals");
    }
    let logs = std::fs::read_dir(coalmine.state.join("crashing/logs")).unwrap().flatten();
    let prometheus = logs.filter(|it| it.file_name().to_string_lossy().contains("prometheus"));
    let logs: String = prometheus.map(|it| std::fs::read_to_string(it.path()).unwrap()).collect();
    assert!(logs.contains("unknown flag"), "what it said before it ended:\n{logs}");
    coalmine.well(up);
}

/// With no engine to ask, `down` removes nothing, and says so.
pub fn without_its_engine_a_lab_stays(coalmine: &Coalmine<'_>, lab: &str) {
    let mut down = Command::new(env!("CARGO_BIN_EXE_coalmine"));
    down.args(["down", "--lab", lab]).env("XDG_STATE_HOME", coalmine.state).env("DOCKER_HOST", "unix:///nobody.sock");
    let output = down.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("is still there: no container engine answers (unix:///nobody.sock, DOCKER_HOST)"), "{said}");
    let status = coalmine.run(&["status", "--lab", lab, "-o", "json"]);
    assert!(String::from_utf8_lossy(&status.stdout).contains("Ready"), "{status:?}");
}

//! A lab whose maker and whose remover are killed, again and again, each time a little further on. What they have started goes
//! on without them. The next call goes on all the same, and in the end nothing is left.

use super::support::Coalmine;
use super::traces::Traces;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// What `up` says when it is killed: each is reached by a call that goes on from where the one before was killed.
const UP: [&str; 17] = [
    "this machine …",
    "node image …",
    "cluster …",
    "kind: Preparing nodes …",
    "kind: Preparing nodes",
    "kind: Starting control-plane …",
    "kind: Installing StorageClass",
    "cluster",
    "definitions",
    "image of the registry …",
    "images of Flux",
    "Prometheus …",
    "Flagger",
    "push the app …",
    "source",
    "demo app …",
    "success rate …",
];
const DOWN: [&str; 4] = ["delete the cluster …", "delete the cluster", "remove the network …", "remove the network"];

/// Runs coalmine and kills it, and it alone, when it has said `point`.
fn killed(coalmine: &Coalmine<'_>, args: &[&str], point: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coalmine"));
    command.args(args).env("XDG_STATE_HOME", coalmine.state).current_dir(coalmine.state);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = Vec::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        let is_there = line == point || line.strip_prefix(point).is_some_and(|it| it.starts_with(": "));
        said.push(line);
        if is_there {
            child.kill().unwrap();
            child.wait().unwrap();
            return;
        }
    }
    panic!("{args:?} ended with {} and never said `{point}`:\n{}", child.wait().unwrap(), said.join("\n"));
}

/// `up` makes the lab of these traces.
pub fn comes_up(coalmine: &Coalmine<'_>, up: &[&str], traces: &mut Traces<'_>) {
    // No cluster is made in a second. What there is of it then goes, even while the engine is still making a container of it.
    let in_vain = coalmine.run(&[up, &["--timeout", "1s"]].concat());
    let said = String::from_utf8_lossy(&in_vain.stderr);
    assert_eq!(in_vain.status.code(), Some(3), "{said}");
    assert!(said.contains("its cluster was not there within 1s; `coalmine up` goes on where it stopped"), "{said}");
    traces.note();
    coalmine.well(&["down", "--lab", traces.lab]);
    assert_eq!(traces.left(), [""; 0]);
    for point in UP {
        killed(coalmine, up, point);
        traces.note();
    }
    let made = coalmine.well(up);
    assert!(made.contains("cluster: unchanged") && made.contains("success rate: 100.00 %"), "{made}");
    traces.note();
    let there = traces.left();
    for what in ["container", "network", "volume", "files"] {
        assert!(there.iter().any(|it| it.starts_with(what)), "{what} is looked for where there is none: {there:?}");
    }
}

/// The lab goes, wholly.
pub fn goes(coalmine: &Coalmine<'_>, lab: &str, traces: &Traces<'_>) {
    for point in DOWN {
        killed(coalmine, &["down", "--lab", lab], point);
    }
    coalmine.well(&["down", "--lab", lab]);
    assert_eq!(traces.left(), [""; 0]);
    let again = coalmine.run(&["down", "--lab", lab]);
    assert_eq!(String::from_utf8_lossy(&again.stdout), format!("the lab `{lab}` is not there\n"));
}

//! Labs on real clusters, by kind, from nothing to nothing: the real Flagger decides there what the embedded lab decides
//! here.

mod airplane;
mod beside;
mod disturbed;
mod killed;
mod panels;
mod scenarios;
pub mod support;
mod traces;
mod wrong;

use crate::docs;
use crate::fidelity::{ON_KIND, PAGE};
use serde_json::Value;
use std::process::Command;
use support::{Cleared, Coalmine, images_here, one_at_a_time};

#[test]
fn a_kind_lab_comes_up_decides_as_the_embedded_one_and_leaves_nothing() {
    let Some(images) = images_here() else { return };
    let _turn = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("images.yaml"), images).unwrap();
    let coalmine = Coalmine { state: folder.path() };
    // Two of these tests may run on one machine.
    let lab: &'static str = format!("it-{}", std::process::id()).leak();
    let cleared = Cleared(Coalmine { state: folder.path() }, lab);
    let up =
        ["up", "--lab", "kind", "--name", lab, "--router", "builtin", "--images", "images.yaml", "--out", "evidence"];

    let made = coalmine.well(&up);
    assert!(made.contains("success rate: 100.00 %"), "{made}");
    let again = coalmine.well(&up);
    for part in ["cluster", "definitions", "Prometheus", "router", "Flagger", "registry", "Flux", "source", "demo app"]
    {
        assert!(again.contains(&format!("{part}: unchanged")), "{part}\n{again}");
    }
    let page = scenarios::compare(&coalmine, lab);
    panels::have_data(&coalmine, lab, &scenarios::PLAYED.map(|(name, _)| name));
    let status = coalmine.run(&["status", "--lab", lab, "-o", "json"]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert!(status.to_string().contains("\"kind\""), "{status}");

    coalmine.well(&["down", "--lab", lab]);
    drop(cleared);
    let left = |args: &[&str]| String::from_utf8(Command::new("docker").args(args).output().unwrap().stdout).unwrap();
    let labelled = format!("label=io.x-k8s.kind.cluster=coalmine-{lab}");
    assert_eq!(left(&["ps", "-aq", "--filter", &labelled]), "", "containers");
    assert_eq!(left(&["network", "ls", "-q", "--filter", &format!("name=coalmine-{lab}")]), "", "networks");
    assert!(!folder.path().join("coalmine/labs").join(lab).exists(), "files are left");
    docs::hold(PAGE, &docs::Part::From(ON_KIND), &page);
}

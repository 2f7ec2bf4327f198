//! Two labs side by side: one is made and removed by commands that are killed all the time, in the other everything goes wrong
//! that can. Neither notices the other.

use super::support::{Cleared, Coalmine, images_here, one_at_a_time};
use super::traces::{Traces, docker};
use super::{disturbed, killed};

/// A lab's name for this process alone: another one may test on the same engine.
fn name(of: &str) -> &'static str {
    format!("{of}-{}", std::process::id()).leak()
}

fn up(lab: &'static str) -> [&'static str; 9] {
    ["up", "--lab", "kind", "--name", lab, "--router", "builtin", "--images", "images.yaml"]
}

#[test]
fn labs_outlive_what_goes_wrong_and_each_others_end() {
    let Some(images) = images_here() else { return };
    let _turn = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let coalmine = Coalmine { state: folder.path() };
    std::fs::write(folder.path().join("images.yaml"), &images).unwrap();
    let (first, second) = (name("ko-disturbed"), name("ko-killed"));
    let _cleared = [first, second].map(|it| Cleared(Coalmine { state: folder.path() }, it));
    let mut traces = [first, second].map(|it| Traces::of(it, folder.path()));

    coalmine.well(&up(first));
    traces[0].note();
    let node = format!("coalmine-{first}-control-plane");
    let began = docker(&["inspect", "--format", "{{.Id}} {{.State.StartedAt}}", &node]);
    // One after the other: kind gives a node 30 s to boot, which a small machine needs for itself.
    killed::comes_up(&coalmine, &up(second), &mut traces[1]);
    disturbed::a_release_is_decided(&coalmine, first, &node);
    disturbed::parts_that_do_not_come_up_say_why(&coalmine, &up(first), &images);
    disturbed::without_its_engine_a_lab_stays(&coalmine, first);
    killed::goes(&coalmine, second, &traces[1]);

    let again = coalmine.well(&up(first));
    assert!(again.contains("cluster: unchanged") && again.contains("success rate: 100.00 %"), "{again}");
    assert_eq!(docker(&["inspect", "--format", "{{.Id}} {{.State.StartedAt}}", &node]), began, "it never went");
    coalmine.well(&["down", "--lab", first]);
    assert_eq!(traces[0].left(), [""; 0]);
}

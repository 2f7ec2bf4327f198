//! A lab on a real cluster, by kind. Needs an engine that answers, `kind` and `docker` on PATH, a node image and the images of
//! the lab in that engine; says SKIPPED and why where one is missing.

use crate::real::find;
use coalmine::home::{Home, LabKind, LabName, State};
use coalmine::install::{Steps, Timing};
use coalmine::lab::real::{KindOptions, KindProvider, RealLab};
use coalmine::machine::{CLUSTER_LABEL, Engine, Environment};
use coalmine::stack::{Images, Profile};
use coalmine::sys::clock::Clock;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// What this machine has of each part's repository, in place of the pinned images; none, loudly, where it has no node image.
fn images_here() -> Option<Images> {
    let (docker, _kind) = (find("docker")?, find("kind")?);
    let listed = Command::new(docker).args(["images", "--format", "{{.Repository}}:{{.Tag}}"]).output().ok()?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let here = |image: &str| {
        let repository = image.split('@').next()?.rsplit_once(':')?.0;
        let short = repository.trim_start_matches("docker.io/").trim_start_matches("library/");
        listed.lines().find(|it| it.rsplit_once(':').is_some_and(|(name, _)| name == short || name == repository))
    };
    let pinned = Images::default();
    let Some(node) = here(&pinned.node) else {
        eprintln!("SKIPPED: the engine has no node image, so no kind lab was made");
        return None;
    };
    let mut own = format!("node: {node}\nimages:\n");
    for (part, image) in pinned.names() {
        if let Some(found) = here(&image.name) {
            writeln!(own, "  {part}: {found}").unwrap();
        }
    }
    Some(pinned.with(&own).unwrap())
}

async fn lab_of(home: &Home, name: &LabName, images: &Images, folder: &Path, go: &str) -> Result<Vec<Timing>, String> {
    let environment = Environment::of_this_process();
    let options = KindOptions { lab: name.as_str(), image: &images.node, folder, pack: None };
    let provider = KindProvider::find(environment, options).await.map_err(|it| it.to_string())?;
    let steps = Steps::new(Clock::wall(), Arc::new(|step| eprintln!("{} {:?} {}", step.name, step.state, step.detail)));
    let lab = RealLab {
        home,
        name,
        kind: LabKind::Kind,
        provider: &provider,
        images,
        own_images: None,
        profile: Profile::Builtin,
        grafana: false,
        evidence: None,
        retain: false,
    };
    let result = if go == "up" { lab.up(&steps).await.map(|_| ()) } else { lab.down(&steps).await };
    result.map(|()| steps.timings()).map_err(|it| it.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_lab_comes_up_is_repaired_and_leaves_nothing() {
    let Some(images) = images_here() else { return };
    let state = tempfile::tempdir().unwrap();
    let home = Home::at(state.path());
    let name: LabName = "it".parse().unwrap();
    let folder = state.path().join("labs/it");
    let timings = lab_of(&home, &name, &images, &folder, "up").await.unwrap();
    for it in &timings {
        eprintln!("{:6.1} s  {:6.1} s  {}", it.began.as_secs_f64(), it.took.as_secs_f64(), it.name);
    }
    assert_eq!(home.find(&name).unwrap().unwrap().state, State::Ready);

    let again = lab_of(&home, &name, &images, &folder, "up").await.unwrap();
    let changed: Vec<_> = again.iter().filter(|it| !it.unchanged).map(|it| &it.name).collect();
    assert!(changed.is_empty(), "a second time nothing is changed: {changed:?}");

    lab_of(&home, &name, &images, &folder, "down").await.unwrap();
    let engine = Engine::connect(&Environment::of_this_process()).await.unwrap();
    let left = engine.containers(&format!("{CLUSTER_LABEL}=coalmine-it")).await.unwrap();
    assert_eq!(left, []);
    assert!(home.find(&name).unwrap().is_none());
    assert!(!folder.exists());
}

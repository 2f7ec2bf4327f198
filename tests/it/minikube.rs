//! The minikube lab, with a stand-in for minikube (`minikube/README.md`).

use crate::kind::support::{images_here, one_at_a_time};
use crate::real::find;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A state directory, and a PATH on which the stand-in is the minikube.
struct Person {
    folder: TempDir,
}

impl Person {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("bin/minikube");
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        std::fs::copy("tests/it/minikube/stand-in.sh", &program).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn types(&self, words: &[&str], more: &[(&str, &str)]) -> Output {
        let path = format!("{}:{}", self.path().join("bin").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_coalmine"));
        command.args(words).current_dir(self.path()).env("XDG_STATE_HOME", self.path()).env("PATH", path);
        command.env("STAND_IN_HOME", self.path().join("profiles")).envs(more.iter().copied()).output().unwrap()
    }

    /// Its stderr, where steps are told.
    fn well(&self, words: &[&str], more: &[(&str, &str)]) -> String {
        let output = self.types(words, more);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{words:?}: {}\n{stderr}", output.status);
        stderr
    }
}

fn stream(name: &str) -> PathBuf {
    std::env::current_dir().unwrap().join("tests/it/minikube").join(name)
}

#[test]
fn what_minikube_says_when_it_fails_is_said_with_its_advice_and_where_the_trouble_is() {
    if find("docker").is_none() {
        return;
    }
    let person = Person::new();
    for (name, expected) in [
        (
            "no-daemon.events",
            &[
                "minikube: Selecting Driver …: 1 of 19, Using the docker driver based on user configuration\n",
                "minikube could not start the profile coalmine-ctxmini: Cannot connect to the Docker daemon at unix:///var/run/docker.sock\n\
                Start the Docker service https://minikube.sigs.k8s.io/docs/drivers/docker/\n\
                What stands behind the driver (Docker, a hypervisor) is missing",
            ][..],
        ),
        (
            "few-cores.events",
            &[
                "minikube: download …: preloaded-images-k8s.tar.lz4\nminikube: download …: preloaded-images-k8s.tar.lz4, 52 %\n\
                minikube: failed: Requested cpu count 64 is greater",
                "Give less with --memory and --cpus",
            ],
        ),
        ("no-last-step.events", &["minikube said that it was done and never told of its last step"]),
    ] {
        let stream = stream(name).display().to_string();
        let came = person
            .types(&["up", "--lab", "minikube", "--name", "ctxmini", "--driver", "ssh"], &[("STAND_IN_FAIL", &stream)]);
        let said = String::from_utf8_lossy(&came.stderr).into_owned();
        assert_eq!(came.status.code(), Some(3), "{name}: {said}");
        for expected in expected {
            assert!(said.contains(expected), "{name}: no\n{expected}\nin\n{said}");
        }
        assert!(
            !person.path().join("coalmine/labs/ctxmini").exists(),
            "{name}: nothing was made, nothing is written down"
        );
    }
    let came = person.types(&["up", "--lab", "minikube", "--pack", "x"], &[]);
    assert_eq!(came.status.code(), Some(2));
    let doctor = person.types(&["doctor", "--lab", "minikube", "--driver", "ssh"], &[]);
    assert!(String::from_utf8_lossy(&doctor.stdout).contains("minikube  v1.39\n"), "{doctor:?}");
}

#[test]
fn a_profile_of_somebody_elses_is_left_alone() {
    let person = Person::new();
    std::fs::create_dir(person.path().join("profiles")).unwrap();
    std::fs::write(person.path().join("profiles/coalmine-ctxmini"), "").unwrap();
    let came = person.types(&["up", "--lab", "minikube", "--name", "ctxmini", "--driver", "ssh"], &[]);
    let said = String::from_utf8_lossy(&came.stderr).into_owned();
    assert!(said.contains("there is a profile coalmine-ctxmini, which coalmine did not make"), "{said}");
    person.well(&["down", "--name", "ctxmini"], &[]);
    assert!(person.path().join("profiles/coalmine-ctxmini").exists(), "it is still there");
}

#[test]
fn a_minikube_lab_comes_up_and_leaves_nothing() {
    let Some(images) = images_here() else { return };
    let _turn = one_at_a_time();
    let person = Person::new();
    std::fs::write(person.path().join("images.yaml"), &images).unwrap();
    let node = coalmine::stack::Images::default().with(&images).unwrap().node;
    let mine = [("STAND_IN_IMAGE", node.as_str())];
    let cleared = Cleared(&person);
    let up =
        ["up", "--lab", "minikube", "--name", "ctxmini", "--router", "builtin", "--images", "images.yaml", "--timings"];
    let made = person.well(&up, &mine);
    for expected in [
        "minikube …: This container is having trouble accessing https://registry.k8s.io\n",
        "minikube: Done: 19 of 19, Done! kubectl",
        "images of the router: docker.io/library/coalmine:it made of this program\n",
        "images of Flagger: 1 loaded\n",
        "success rate: 100.00 %",
    ] {
        assert!(made.contains(expected), "{expected}\n{made}");
    }
    let again = person.well(&up, &mine);
    for part in ["cluster", "definitions", "Prometheus", "router", "Flagger", "registry", "Flux", "source", "demo app"]
    {
        assert!(again.contains(&format!("{part}: unchanged")), "{part}\n{again}");
    }
    let environment = String::from_utf8(person.types(&["env", "--name", "ctxmini"], &mine).stdout).unwrap();
    assert!(environment.contains("export COALMINE_CONTEXT='coalmine-ctxmini'"), "{environment}");
    person.well(&["down", "--name", "ctxmini"], &mine);
    drop(cleared);
    let left = |args: &[&str]| String::from_utf8(Command::new("docker").args(args).output().unwrap().stdout).unwrap();
    assert_eq!(left(&["ps", "-aq", "--filter", "name=coalmine-ctxmini"]), "", "containers");
    assert_eq!(left(&["network", "ls", "-q", "--filter", "name=coalmine-ctxmini"]), "", "networks");
    assert!(!person.path().join("coalmine/labs/ctxmini").exists(), "files");
    assert_eq!(std::fs::read_dir(person.path().join("profiles")).unwrap().count(), 0, "profiles");
}

struct Cleared<'a>(&'a Person);

impl Drop for Cleared<'_> {
    fn drop(&mut self) {
        self.0.types(&["down", "--name", "ctxmini"], &[]);
    }
}

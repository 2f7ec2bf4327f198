//! What goes wrong before there is a lab: each is said in words, with what to type, ends with exit code 3 at once, and leaves
//! nothing. `coalmine doctor` finds the same.

use super::support::{images_here, within};
use super::traces::docker;
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const LAB: &str = "kowrong";
/// The cluster of that lab, its network and its node.
const CLUSTER: &str = "coalmine-kowrong";
const NODE: &str = "coalmine-kowrong-control-plane";
/// Far more than any of these takes: what is still there then hangs.
const ENDS_WITHIN: Duration = Duration::from_mins(2);
/// Somebody who may not use an engine of root's.
const NOBODY: u32 = 65534;

/// A state folder, and a command that finds it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        place
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn coalmine(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_coalmine"));
        command.args(args).env("XDG_STATE_HOME", self.path()).current_dir(self.path());
        command
    }

    fn up(&self) -> Command {
        self.coalmine(&["up", "--lab", "kind", "--name", LAB, "--router", "builtin"])
    }

    /// What is written down about labs.
    fn labs(&self) -> Vec<PathBuf> {
        let labs = std::fs::read_dir(self.path().join("coalmine/labs")).into_iter().flatten().flatten();
        labs.map(|it| it.path()).filter(|it| it.is_dir()).collect()
    }

    /// A folder of programs, for PATH: those of `real` as they are on this machine, and scripts.
    fn programs(&self, real: &[&str], scripts: &[(&str, &str)]) -> PathBuf {
        let folder = self.path().join("bin");
        std::fs::create_dir(&folder).unwrap();
        for name in real {
            symlink(crate::real::find(name).unwrap(), folder.join(name)).unwrap();
        }
        for (name, script) in scripts {
            std::fs::write(folder.join(name), script).unwrap();
            std::fs::set_permissions(folder.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        folder
    }
}

/// Its exit code, and what it printed to both of its streams.
fn ended(mut command: Command) -> (Option<i32>, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    if !within(ENDS_WITHIN, || child.try_wait().unwrap().is_some()) {
        child.kill().unwrap();
        panic!("{command:?} hangs");
    }
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    (child.wait().unwrap().code(), text)
}

/// Exit code 3, with all of these words.
#[track_caller]
fn fails(command: Command, words: &[&str]) {
    let asked = format!("{command:?}");
    let (code, text) = ended(command);
    assert_eq!(code, Some(3), "{asked}\n{text}");
    for expected in words {
        assert!(text.contains(expected), "{asked}: no `{expected}` in\n{text}");
    }
}

#[test]
fn without_an_engine_that_answers_every_command_says_how_to_start_one() {
    let place = Place::new();
    let silent = place.path().join("silent.sock");
    let _silent = UnixListener::bind(&silent).unwrap();
    for socket in [place.path().join("nobody.sock"), silent] {
        let host = format!("unix://{}", socket.display());
        let with = |mut command: Command| {
            command.env("DOCKER_HOST", &host);
            command
        };
        let none = format!("no container engine answers ({host}, DOCKER_HOST)");
        let words = [none.as_str(), "Start Docker (", "`sudo systemctl start docker`"];
        fails(with(place.up()), &words);
        fails(with(place.coalmine(&["pack", "-o", "lab.tar.zst"])), &words);
        fails(with(place.coalmine(&["doctor", "--lab", "kind"])), &["FAILED   container engine", words[0], words[1]]);
        assert!(place.labs().is_empty(), "{:?}", place.labs());
    }
    assert!(!place.path().join("lab.tar.zst").exists());
}

#[test]
fn an_engine_that_refuses_this_user_is_told_from_one_that_is_not_there() {
    let place = Place::new();
    let socket = place.path().join("docker.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o000)).unwrap();
    let host = format!("unix://{}", socket.display());
    let as_somebody = |mut command: Command| {
        command.env("DOCKER_HOST", &host).env("HOME", place.path());
        // Nothing is refused to root.
        if rustix::process::getuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    };
    if as_somebody(place.coalmine(&["--version"])).output().is_err() {
        return eprintln!("SKIPPED: another user cannot run {}", env!("CARGO_BIN_EXE_coalmine"));
    }
    let refused = format!("the container engine at {host} refuses this user");
    let fix = "`sudo usermod -aG docker $USER`, then log in anew";
    fails(as_somebody(place.up()), &[&refused, fix]);
    fails(as_somebody(place.coalmine(&["doctor", "--lab", "kind"])), &["FAILED   container engine", &refused, fix]);
    assert!(place.labs().is_empty(), "{:?}", place.labs());
}

#[test]
fn a_kind_that_is_missing_or_too_old_is_named_with_where_to_get_it() {
    if images_here().is_none() {
        return;
    }
    // A stand-in that says it is an old kind.
    let old = ("kind", "#!/bin/sh\necho 'kind v0.19.0 go1.20.4 linux/amd64'\n");
    for (scripts, found, fix) in [
        (&[][..], "there is no `kind` on PATH", "https://kind.sigs.k8s.io/docs/user/quick-start/#installation"),
        (&[old], "v0.19, older than v0.", "`brew upgrade kind`"),
    ] {
        let place = Place::new();
        let programs = place.programs(&["docker"], scripts);
        for mut command in [place.up(), place.coalmine(&["doctor", "--lab", "kind"])] {
            command.env("PATH", &programs);
            fails(command, &[found, fix]);
        }
        assert!(place.labs().is_empty(), "{:?}", place.labs());
    }
}

#[test]
fn a_node_image_that_cannot_be_had_is_named_at_once_with_what_to_type() {
    if images_here().is_none() {
        return;
    }
    let place = Place::new();
    // Nobody listens there.
    std::fs::write(place.path().join("images.yaml"), "node: 127.0.0.1:9/none/node:v1.34.0\n").unwrap();
    let mut up = place.up();
    up.args(["--images", "images.yaml"]);
    let image = "the image 127.0.0.1:9/none/node:v1.34.0 is not on this machine and could not be pulled: ";
    fails(up, &["node image …", image, "`docker pull 127.0.0.1:9/none/node:v1.34.0`", "--images FILE", "--pack FILE"]);
    assert!(place.labs().is_empty(), "{:?}", place.labs());
}

/// Removes what a test put in the way, however it ends.
struct InTheWay(&'static [&'static str]);

impl Drop for InTheWay {
    fn drop(&mut self) {
        Command::new("docker").args(self.0).output().ok();
    }
}

#[test]
fn a_name_that_is_somebody_elses_is_refused_and_theirs_stays() {
    let Some(images) = images_here() else { return };
    let place = Place::new();
    std::fs::write(place.path().join("images.yaml"), images).unwrap();
    let other_lab = format!("coalmine.lab={}", place.path().display());
    let any_image = docker(&["images", "-q"]).remove(0);
    let container = ["create", "--name", NODE, "--label", "io.x-k8s.kind.cluster=coalmine-kowrong", &any_image, "true"];
    let network = ["network", "create", CLUSTER];
    let labelled = ["network", "create", "--label", &other_lab, CLUSTER];
    let (remove_network, remove_container) = (&["network", "rm", CLUSTER], &["rm", "-f", NODE]);
    for (make, look, remove, found, whose, fix) in [
        (
            &network[..],
            &["network", "inspect", "-f", "{{.ID}}", CLUSTER][..],
            &remove_network[..],
            "a network coalmine-kowrong",
            "which coalmine did not make",
            "`docker network rm coalmine-kowrong`",
        ),
        (
            &labelled,
            &["network", "inspect", "-f", "{{.ID}}", CLUSTER],
            remove_network,
            "a network coalmine-kowrong",
            "which is of another lab, that of /",
            "`docker network rm coalmine-kowrong`",
        ),
        (
            &container,
            &["inspect", "-f", "{{.ID}}", NODE],
            remove_container,
            "a container coalmine-kowrong-control-plane",
            "which coalmine did not make",
            "`kind delete cluster --name coalmine-kowrong`",
        ),
    ] {
        docker(make);
        let _in_the_way = InTheWay(remove);
        let before = docker(look);
        let mut up = place.up();
        up.args(["--images", "images.yaml"]);
        fails(up, &["the name is taken: the engine has", found, whose, "another one (--name)", fix]);
        assert!(place.labs().is_empty(), "{:?}", place.labs());
        assert_eq!(docker(look), before, "{found} is as it was");
    }
}

#[test]
fn a_full_disk_under_the_state_directory_is_named() {
    let place = Place::new();
    let state = place.path().join("full");
    std::fs::create_dir(&state).unwrap();
    // A disk of its own, in a namespace of its own that goes with the command.
    let script = "mount -t tmpfs -o size=16k full \"$0\" && head -c 16k /dev/zero > \"$0/filler\" || exit 77
        \"$@\"; code=$?; find \"$0\" -name lab.json; exit $code";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(&state).arg(env!("CARGO_BIN_EXE_coalmine"));
    command.args(["up", "--lab", "kind", "--name", LAB]).env("XDG_STATE_HOME", &state);
    let possible = Command::new("unshare").args(["--mount", "mount", "-t", "tmpfs", "none"]).arg(&state).output();
    if !possible.is_ok_and(|it| it.status.success()) {
        return eprintln!("SKIPPED: no disk can be mounted by this user, so none was full");
    }
    if images_here().is_none() {
        return;
    }
    let (code, text) = ended(command);
    assert_eq!(code, Some(3), "{text}");
    for expected in
        ["No space left on device", "/full/coalmine/labs", "XDG_STATE_HOME says where labs are written down"]
    {
        assert!(text.contains(expected), "no `{expected}` in\n{text}");
    }
    assert!(!text.contains("lab.json\n"), "it is written down all the same: {text}");
}

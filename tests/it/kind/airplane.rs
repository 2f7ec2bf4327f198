//! A lab from a pack, on an engine that has no image, in a network namespace that has no way out.

use super::support::{images_here, one_at_a_time, within};
use super::traces::docker;
use crate::real::find;
use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

const LAB: &str = "ko-airplane";
/// An engine starts in a second or two, and ends when its containers have.
const STARTS_WITHIN: Duration = Duration::from_mins(1);
const ENDS_WITHIN: Duration = Duration::from_mins(1);
/// An address that no network has (RFC 5737).
const ANYWHERE: &str = "192.0.2.1";

/// A Docker engine of this test's own. It lives in namespaces of its own for networks, where there is no interface but
/// loopback and its bridges, and for mounts, which go with it.
struct Engine {
    process: Child,
    folder: PathBuf,
}

impl Engine {
    /// None, loudly, where this user cannot start one.
    fn start(folder: &Path) -> Option<Self> {
        let (dockerd, _, _) = (find("dockerd")?, find("nsenter")?, find("ip")?);
        if !rustix::process::getuid().is_root() {
            eprintln!("SKIPPED: only root starts an engine, so none was without a network");
            return None;
        }
        std::fs::create_dir(folder).unwrap();
        let at = |name: &str| folder.join(name).display().to_string();
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"]).arg(dockerd);
        command.args(["--data-root", &at("data"), "--exec-root", &at("exec"), "--pidfile", &at("pid")]);
        command.args(["--host", &format!("unix://{}", at("docker.sock"))]);
        // Should it share a containerd with this machine's engine, then nothing in it.
        command.args(["--containerd-namespace", LAB, "--containerd-plugins-namespace", "ko-airplane-plugins"]);
        command.args(runtime_of_this_machine());
        let log = std::fs::File::create(folder.join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut engine = Self { process: command.spawn().unwrap(), folder: folder.to_owned() };
        let log = || std::fs::read_to_string(folder.join("log")).unwrap();
        let answers = within(STARTS_WITHIN, || {
            assert!(engine.process.try_wait().unwrap().is_none(), "the engine ended:\n{}", log());
            engine.docker(&["info"]).status.success()
        });
        assert!(answers, "the engine does not answer:\n{}", log());
        Some(engine)
    }

    fn host(&self) -> String {
        format!("unix://{}", self.folder.join("docker.sock").display())
    }

    fn docker(&self, args: &[&str]) -> Output {
        Command::new("docker").env("DOCKER_HOST", self.host()).args(args).output().unwrap()
    }

    /// A command where this engine is: there is no other network for it either.
    fn beside(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.process.id().to_string(), "--net", program]).args(args);
        command.env("DOCKER_HOST", self.host());
        command
    }

    /// What it has, by name.
    fn images(&self) -> String {
        let listed = self.docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
        String::from_utf8(listed.stdout).unwrap()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let process = Pid::from_raw(i32::try_from(self.process.id()).unwrap()).unwrap();
        kill_process(process, Signal::TERM).ok();
        if !within(ENDS_WITHIN, || !self.process.try_wait().is_ok_and(|it| it.is_none())) {
            self.process.kill().ok();
            self.process.wait().ok();
        }
    }
}

/// Containers need on this machine what its own engine starts them with.
fn runtime_of_this_machine() -> Vec<String> {
    let info = docker(&["info", "--format", "{{json .}}"]).remove(0);
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    let name = info["DefaultRuntime"].as_str().unwrap_or("runc");
    match info["Runtimes"][name]["path"].as_str() {
        Some(path) if name != "runc" => {
            ["--add-runtime".to_owned(), format!("{name}={path}"), "--default-runtime".to_owned(), name.to_owned()]
                .into()
        }
        _ => Vec::new(),
    }
}

fn well(mut command: Command) -> String {
    let output = command.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    said
}

#[test]
fn a_pack_makes_a_lab_where_there_is_no_network_and_no_image() {
    let Some(images) = images_here() else { return };
    let _turn = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let Some(engine) = Engine::start(&folder.path().join("engine")) else { return };
    std::fs::write(folder.path().join("images.yaml"), images).unwrap();
    let of = |mut command: Command| {
        command.env("XDG_STATE_HOME", folder.path()).current_dir(folder.path());
        command
    };
    let here = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_coalmine"));
        command.args(args);
        of(command)
    };
    let there = |args: &[&str]| of(engine.beside(env!("CARGO_BIN_EXE_coalmine"), args));

    let packed = well(here(&["pack", "--router", "builtin", "--images", "images.yaml", "-o", "lab.tar.zst"]));
    assert!(packed.contains("lab.tar.zst has 9 images"), "{packed}");
    // Nothing but the pack is taken along.
    std::fs::remove_file(folder.path().join("images.yaml")).unwrap();

    let way_out = engine.beside("ip", &["route", "get", ANYWHERE]).output().unwrap();
    assert!(!way_out.status.success(), "there is a way out: {}", String::from_utf8_lossy(&way_out.stdout));
    assert_eq!(engine.images(), "", "the engine has nothing");
    let up = ["up", "--lab", "kind", "--name", LAB, "--router", "builtin", "--pack", "lab.tar.zst"];
    let made = well(there(&up));
    assert!(made.contains("node image: loaded from the pack") && made.contains("success rate: 100.00 %"), "{made}");
    assert!(!made.contains("pull"), "{made}");
    assert_eq!(engine.images().lines().count(), 1, "all but the node's image went into the node: {}", engine.images());
    let again = well(there(&up));
    assert!(again.contains("images of Flux: unchanged") && again.contains("Flux: unchanged"), "{again}");

    let other = there(&["up", "--lab", "kind", "--name", LAB, "--router", "ingress-nginx", "--pack", "lab.tar.zst"]);
    let output = { other }.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("lab.tar.zst lacks registry.k8s.io/ingress-nginx/controller:"), "{said}");

    well(there(&["down", "--lab", LAB]));
    assert_eq!(engine.docker(&["ps", "-aq"]).stdout, b"");
    assert!(!folder.path().join("coalmine/labs").join(LAB).exists(), "files are left");
}

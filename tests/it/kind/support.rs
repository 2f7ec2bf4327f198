//! What the tests on kind need: the images of this machine, and the program.
//!
//! Needs an engine that answers, `kind` and `docker` on PATH, a node image and the lab's images in that engine; says SKIPPED
//! and why where one is missing. Nothing is pulled.

use crate::real::find;
use coalmine::stack::Images;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The parts that a lab with coalmine's own router runs; that router's image is made of the program itself.
const PARTS: [&str; 8] = [
    "prometheus",
    "flagger",
    "loadtester",
    "source-controller",
    "kustomize-controller",
    "registry",
    "podinfo",
    "redis",
];
/// The release of the built-in scenarios; where it is not there, the version that is stands in for it.
const RELEASE: &str = "ghcr.io/stefanprodan/podinfo:6.9.3";

/// A file of images for what this machine has of each part's repository; none, loudly, where it has nothing of one.
pub fn images_here() -> Option<String> {
    let (docker, _kind) = (find("docker")?, find("kind")?);
    let asked = |args: &[&str]| Command::new(&docker).args(args).output().ok().filter(|it| it.status.success());
    let Some(listed) = asked(&["images", "--format", "{{.Repository}}:{{.Tag}}"]) else {
        eprintln!("SKIPPED: no container engine answers, so no kind lab was made");
        return None;
    };
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let here = |image: &str| {
        let repository = image.split('@').next()?.rsplit_once(':')?.0;
        let short = repository.trim_start_matches("docker.io/").trim_start_matches("library/");
        let found =
            listed.lines().find(|it| it.rsplit_once(':').is_some_and(|(name, _)| name == short || name == repository));
        if found.is_none() {
            eprintln!("SKIPPED: the engine has no image of {repository}, so no kind lab was made");
        }
        found
    };
    let pinned = Images::default();
    let mut own = format!("node: {}\nimages:\n  router: docker.io/library/coalmine:it\n", here(&pinned.node)?);
    for part in PARTS {
        let image = here(&pinned.of(part)?.name)?;
        // An image may have its program on PATH, where the published one has it in its working folder.
        let entry = asked(&["image", "inspect", image, "--format", "{{with .Config.Entrypoint}}{{index . 0}}{{end}}"])?;
        let entry = String::from_utf8_lossy(&entry.stdout).trim().to_owned();
        let program = ["podinfo", "flagger", "loadtester"].into_iter().find(|it| *it == entry);
        let line = program.map_or(format!("'{image}'"), |it| format!("{{image: '{image}', program: {it}}}"));
        writeln!(own, "  {part}: {line}").unwrap();
    }
    if !listed.lines().any(|it| it == RELEASE) {
        writeln!(own, "standIns: {{'{RELEASE}': '{}'}}", here(RELEASE)?).unwrap();
    }
    Some(own)
}

/// A lab takes most of a small machine, and several at once would make each other late: whoever makes one waits for this.
pub fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    // A test that failed has put its lab away too.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

pub struct Coalmine<'a> {
    pub state: &'a Path,
}

impl Coalmine<'_> {
    pub fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_coalmine"));
        command.args(args).env("XDG_STATE_HOME", self.state).current_dir(self.state);
        command.output().unwrap()
    }

    /// Its stderr, where steps are told.
    pub fn well(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success(),
            "{args:?}: {}\n{stderr}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stdout)
        );
        stderr
    }
}

/// Whatever becomes of the test, the machine is left as it was: the lab of this name goes.
pub struct Cleared<'a>(pub Coalmine<'a>, pub &'static str);

impl Drop for Cleared<'_> {
    fn drop(&mut self) {
        self.0.run(&["down", "--lab", self.1]);
    }
}

/// How often another program is asked again.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// Whether something became true within so much time.
#[expect(clippy::disallowed_methods, reason = "other programs keep the wall clock")]
pub fn within(limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + limit;
    while Instant::now() < until {
        if holds() {
            return true;
        }
        std::thread::sleep(ASK_EVERY);
    }
    false
}

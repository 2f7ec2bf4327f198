//! What a lab has on this machine, and what of it is still there afterwards.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// What one lab has, or had; looked at as often as one likes.
pub struct Traces<'a> {
    pub lab: &'static str,
    /// `XDG_STATE_HOME`
    state: &'a Path,
    volumes: BTreeSet<String>,
}

/// Lines that docker prints.
pub fn docker(args: &[&str]) -> Vec<String> {
    let output = Command::new("docker").args(args).output().unwrap();
    assert!(output.status.success(), "docker {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

impl<'a> Traces<'a> {
    pub fn of(lab: &'static str, state: &'a Path) -> Self {
        Self { lab, state, volumes: BTreeSet::new() }
    }

    /// Notes what has no name of its own, so that it is known again when its container is gone.
    pub fn note(&mut self) {
        for container in self.containers() {
            // It may go while it is asked about.
            let mounts = ["inspect", "--format", "{{range .Mounts}}{{.Name}} {{end}}", &container];
            let output = Command::new("docker").args(mounts).output().unwrap();
            self.volumes.extend(String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned));
        }
    }

    /// All that is there: empty when the lab is gone.
    pub fn left(&self) -> Vec<String> {
        let mut left: Vec<String> = self.containers().into_iter().map(|it| format!("container {it}")).collect();
        let network = format!("name=^coalmine-{}$", self.lab);
        let named =
            |what: &str, names: Vec<String>| names.into_iter().map(|it| format!("{what} {it}")).collect::<Vec<_>>();
        left.extend(named("network", docker(&["network", "ls", "-q", "--filter", &network])));
        let volumes = docker(&["volume", "ls", "-q"]).into_iter().filter(|it| self.volumes.contains(it));
        left.extend(named("volume", volumes.collect()));
        left.extend(named("process", self.processes()));
        let labs = std::fs::read_dir(self.state.join("coalmine/labs")).into_iter().flatten().flatten();
        let files = labs.filter(|it| it.file_name() == self.lab).map(|it| it.path().display().to_string());
        left.extend(named("files", files.collect()));
        left
    }

    fn containers(&self) -> BTreeSet<String> {
        let label = format!("label=io.x-k8s.kind.cluster=coalmine-{}", self.lab);
        let name = format!("name=^/?coalmine-{}-control-plane$", self.lab);
        let all = [label, name].map(|it| docker(&["ps", "-aq", "--filter", &it]));
        all.into_iter().flatten().collect()
    }

    /// Those that have the lab's folder among their arguments.
    fn processes(&self) -> Vec<String> {
        let folder = self.state.join("coalmine/labs").join(self.lab);
        let folder = folder.to_str().unwrap();
        let lines = std::fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|it| {
            let line = std::fs::read(it.path().join("cmdline")).ok()?;
            Some(String::from_utf8_lossy(&line).replace('\0', " "))
        });
        lines.filter(|it| it.contains(folder)).collect()
    }
}

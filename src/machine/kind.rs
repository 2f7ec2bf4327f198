//! The `kind` command. It speaks on stderr, ends with 0 or 1, and says `ready` also of what is not: whoever makes a cluster
//! looks for itself.

use super::{Call, CommandError, Environment, From, Output, Tool};
use std::path::Path;
use std::time::Duration;

/// The oldest kind that makes nodes of the pinned image: its containerd has a newer configuration than older kinds know.
pub const MIN_VERSION: (u32, u32) = (0, 30);
/// For questions that kind answers from the engine's list of containers.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);
/// A node boots in 20 to 60 s; a slow virtual machine may take minutes.
const CREATED_WITHIN: Duration = Duration::from_mins(8);
const DELETED_WITHIN: Duration = Duration::from_mins(2);
const EXPORTED_WITHIN: Duration = Duration::from_mins(2);
const INSTALL: &str = "Get it: https://kind.sigs.k8s.io/docs/user/quick-start/#installation (`brew install kind`, \
    `go install sigs.k8s.io/kind@v0.33.0`)";
/// The label that kind gives each node; its value is the cluster's name.
pub const CLUSTER_LABEL: &str = "io.x-k8s.kind.cluster";

/// The `kind` command, told to use one engine.
#[derive(Debug, Clone)]
pub struct Kind {
    tool: Tool,
}

/// What a cluster is to be.
#[derive(Debug, Clone, Copy)]
pub struct ClusterSpec<'a> {
    pub name: &'a str,
    /// The node's image, with tag and, if it is to be pulled, digest.
    pub image: &'a str,
    /// Written by kind; the person's own kubeconfig and current context stay as they are.
    pub kubeconfig: &'a Path,
}

/// One step of kind's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindStep {
    pub name: String,
    pub state: StepState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    Started,
    Done,
    Failed,
}

#[derive(Debug, thiserror::Error)]
pub enum KindError {
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error("`kind version` printed `{printed}`, in which there is no version")]
    NoVersion { printed: String },
    #[error("kind could not {what}: {said}{}", hint.map(|it| format!("\n{it}")).unwrap_or_default())]
    Failed { what: String, said: String, hint: Option<&'static str> },
}

impl KindError {
    /// The node's container runs, and its init was not done in the time that kind gives it.
    #[must_use]
    pub fn is_slow_boot(&self) -> bool {
        matches!(self, Self::Failed { said, .. } if said.contains("could not find a log line that matches"))
    }
}

/// What kind, kubeadm or the engine says, what it means and what helps (real-cluster facts; kind's own known issues).
const SIGNATURES: &[(&str, &str)] = &[
    (
        "already exist for a cluster with the name",
        "A cluster of this name is there, perhaps half made. `coalmine down` with the same --lab removes it.",
    ),
    (
        "port is already allocated",
        "Another program has the port of the Kubernetes API. Try again: the next port is another one.",
    ),
    (
        "ports are not available",
        "Another program has the port of the Kubernetes API. Try again: the next port is another one.",
    ),
    (
        "Reached target .*Multi-User System",
        "The node did not boot in 30 s: too few inotify instances, cgroups, a slow virtual machine, or an image of another \
        processor. `coalmine doctor --lab kind` looks at each.",
    ),
    ("failed to lock config file", "A kubeconfig's lock was left behind. Remove the .lock file beside it."),
    (
        "rootless provider requires cgroup v2",
        "The engine runs rootless without delegated cgroups. Use a rootful one (`podman machine set --rootful`), or delegate: \
        https://kind.sigs.k8s.io/docs/user/rootless/",
    ),
    (
        "Delegate=yes",
        "The engine runs rootless without delegated cgroups: https://kind.sigs.k8s.io/docs/user/rootless/",
    ),
    (
        "failed to init node with kubeadm",
        "The kubelet did not become healthy: cgroup v1 with Kubernetes 1.35 or later, too little memory, or a full disk. \
        `coalmine doctor --lab kind` looks at each.",
    ),
    (
        "too many open files",
        "Too few inotify instances: `sudo sysctl fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=524288`",
    ),
    ("predefined address pools have been fully subnetted", "The engine has no network left: `docker network prune`."),
    (
        "Couldn't find an alternative telinit",
        "The engine starts containers with an init of its own: remove \"init\": true from its daemon.json.",
    ),
    ("client version 1.", "The docker command is too old for this engine: update it."),
    ("no space left on device", "The engine's disk is full: `docker system prune` frees some."),
    (
        "x509",
        "A proxy stands between the engine and the registry: give the engine its certificate, or use `coalmine up --pack`.",
    ),
    ("No such image", "The node's image is not there and could not be pulled."),
    (
        "permission denied while trying to connect",
        "The engine refuses this user: `sudo usermod -aG docker $USER`, then log in anew.",
    ),
    ("Cannot connect to the Docker daemon", "The engine does not run: start Docker."),
];

impl Kind {
    /// Its clusters get a network of their own, instead of the one that all of kind's clusters share.
    #[must_use]
    pub fn in_network(self, name: &str) -> Self {
        Self { tool: self.tool.with("KIND_EXPERIMENTAL_DOCKER_NETWORK", name) }
    }

    /// Finds it on PATH and binds it to the engine at `host` (as `DOCKER_HOST` has it).
    pub fn find(environment: &Environment, host: &str) -> Result<Self, CommandError> {
        let tool = Tool::find("kind", environment, INSTALL)?;
        Ok(Self { tool: tool.with("DOCKER_HOST", host).with("KIND_EXPERIMENTAL_PROVIDER", "docker") })
    }

    /// Major and minor.
    pub async fn version(&self) -> Result<(u32, u32), KindError> {
        let output = self.tool.ask(&["version"], ANSWERS_WITHIN).await?;
        parse_version(&output.stdout).ok_or(KindError::NoVersion { printed: output.stdout })
    }

    /// The names of all clusters of the engine, also of half-made ones.
    pub async fn clusters(&self) -> Result<Vec<String>, KindError> {
        let output = self.done("list clusters", &["get", "clusters"], ANSWERS_WITHIN).await?;
        Ok(output.stdout.lines().map(str::to_owned).collect())
    }

    /// Makes a cluster of one node. What a failure left is kept, for [`Kind::export_logs`]; whoever calls deletes it.
    pub async fn create(
        &self,
        spec: ClusterSpec<'_>,
        step: &mut (dyn FnMut(KindStep) + Send),
    ) -> Result<(), KindError> {
        let kubeconfig = spec.kubeconfig.display().to_string();
        let args = ["create", "cluster", "--name", spec.name, "--image", spec.image, "--kubeconfig", &kubeconfig];
        let args: Vec<&str> = args.into_iter().chain(["--config", "-", "--wait", "0s", "--retain"]).collect();
        let call = Call { args: &args, stdin: CONFIG.as_bytes(), limit: CREATED_WITHIN };
        let mut hear = |from: From, line: &str| {
            if let Some(it) = (from == From::Stderr).then(|| parse_step(line)).flatten() {
                step(it);
            }
        };
        let output = self.tool.run(call, &mut hear).await?;
        checked(&format!("make the cluster {}", spec.name), output).map(|_| ())
    }

    /// Deletes a cluster and its entry of `kubeconfig`; one that does not exist is deleted already.
    pub async fn delete(&self, name: &str, kubeconfig: &Path) -> Result<(), KindError> {
        let kubeconfig = kubeconfig.display().to_string();
        let args = ["delete", "cluster", "--name", name, "--kubeconfig", &kubeconfig];
        self.done(&format!("delete the cluster {name}"), &args, DELETED_WITHIN).await.map(|_| ())
    }

    /// Writes the kubeconfig of a cluster that is there, for this machine.
    pub async fn kubeconfig(&self, name: &str) -> Result<String, KindError> {
        let what = format!("give the kubeconfig of {name}");
        Ok(self.done(&what, &["get", "kubeconfig", "--name", name], ANSWERS_WITHIN).await?.stdout)
    }

    /// Journals, kubelet, containers' logs and inspections of each node into a folder.
    pub async fn export_logs(&self, name: &str, folder: &Path) -> Result<(), KindError> {
        let folder = folder.display().to_string();
        self.done("export logs", &["export", "logs", &folder, "--name", name], EXPORTED_WITHIN).await.map(|_| ())
    }

    async fn done(&self, what: &str, args: &[&str], limit: Duration) -> Result<Output, KindError> {
        checked(what, self.tool.ask(args, limit).await?)
    }
}

/// One node: it survives a restart of the engine, and needs the least. Loopback only.
const CONFIG: &str = "kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
networking: {apiServerAddress: 127.0.0.1, ipFamily: ipv4}
nodes: [{role: control-plane}]
";

fn checked(what: &str, output: Output) -> Result<Output, KindError> {
    if output.is_success() {
        return Ok(output);
    }
    let hint = SIGNATURES.iter().find(|(text, _)| output.stderr.contains(text)).map(|(_, hint)| *hint);
    Err(KindError::Failed { what: what.to_owned(), said: reason(&output.stderr), hint })
}

/// From `ERROR:` on, without the trace of Go functions that -v adds; else the last line.
fn reason(stderr: &str) -> String {
    let text = stderr.find("ERROR: ").map_or_else(|| stderr.lines().last().unwrap_or_default(), |at| &stderr[at + 7..]);
    let lines = text.lines().take_while(|it| !it.starts_with("Stack Trace:"));
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// `kind v0.33.0 go1.26 linux/amd64`, or `kind v0.34.0-alpha+…`
fn parse_version(printed: &str) -> Option<(u32, u32)> {
    let numbers = printed.split_whitespace().find_map(|it| it.strip_prefix('v'))?;
    let mut parts = numbers.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Without a terminal kind prints ` • Name 📦  ...` when a step begins, and ` ✓ Name 📦` or ` ✗ Name 📦` when it has ended.
fn parse_step(line: &str) -> Option<KindStep> {
    let line = line.trim();
    let (mark, rest) = (line.chars().next()?, line.get(line.chars().next()?.len_utf8()..)?);
    let state = match mark {
        '•' => StepState::Started,
        '✓' => StepState::Done,
        '✗' => StepState::Failed,
        _ => return None,
    };
    let name = rest.trim_end_matches("...").trim_matches(|it: char| it.is_whitespace() || !it.is_ascii());
    Some(KindStep { name: name.to_owned(), state })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_what_kind_prints() {
        for (printed, version) in [
            ("kind v0.33.0 go1.26.8 linux/amd64", Some((0, 33))),
            ("kind v0.34.0-alpha+1a2b go1.26 darwin/arm64", Some((0, 34))),
            ("kind v1.0 go1", Some((1, 0))),
            ("", None),
            ("kind (devel)", None),
        ] {
            assert_eq!(parse_version(printed), version, "{printed}");
        }
    }

    #[test]
    fn steps_are_read_without_their_pictures() {
        let step = |name: &str, state| Some(KindStep { name: name.to_owned(), state });
        for (line, expected) in [
            (" • Preparing nodes 📦  ...", step("Preparing nodes", StepState::Started)),
            (" ✓ Preparing nodes 📦", step("Preparing nodes", StepState::Done)),
            (" ✗ Starting control-plane 🕹️", step("Starting control-plane", StepState::Failed)),
            (
                " • Ensuring node image (kindest/node:v1.34.3) 🖼  ...",
                step("Ensuring node image (kindest/node:v1.34.3)", StepState::Started),
            ),
            ("Creating cluster \"x\" ...", None),
            ("", None),
        ] {
            assert_eq!(parse_step(line), expected, "{line}");
        }
    }

    #[test]
    fn a_failure_has_kinds_words_and_what_helps() {
        let stderr = "Creating cluster \"a\" ...\nERROR: node(s) already exist for a cluster with the name \"a\"\nStack Trace: \nx";
        let failed = Output { code: Some(1), stdout: String::new(), stderr: stderr.to_owned() };
        let text = checked("make the cluster a", failed).unwrap_err().to_string();
        assert_eq!(
            text,
            "kind could not make the cluster a: node(s) already exist for a cluster with the name \"a\"\n\
            A cluster of this name is there, perhaps half made. `coalmine down` with the same --lab removes it."
        );
        let strange = Output { code: Some(1), stdout: String::new(), stderr: "one\ntwo\n".to_owned() };
        assert_eq!(checked("x", strange).unwrap_err().to_string(), "kind could not x: two");
        let slow = "ERROR: failed to create cluster: could not find a log line that matches \"Reached target .*Multi-User System.*\"";
        let slow = Output { code: Some(1), stdout: String::new(), stderr: slow.to_owned() };
        let error = checked("make the cluster a", slow).unwrap_err();
        assert!(error.is_slow_boot() && error.to_string().contains("The node did not boot in 30 s"), "{error}");
    }
}

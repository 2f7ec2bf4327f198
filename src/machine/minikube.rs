//! The `minikube` command, one profile for each lab. It tells each of its steps as a line of JSON (CloudEvents 1.0), and ends
//! with a code whose tens say where the trouble is.
//!
//! Written after minikube's source and documentation (1.25 to 1.39): `pkg/minikube/out/register`, `pkg/minikube/reason`.

mod event;

pub use event::MinikubeEvent;

use super::{Call, CommandError, Environment, From, Output, Tool};
use serde::Deserialize;
use std::path::Path;
use std::time::Duration;

/// The oldest minikube that knows the pinned Kubernetes.
pub const MIN_MINIKUBE: (u32, u32) = (1, 38);
/// For questions about profiles; the first after a boot wakes drivers.
const ANSWERS_WITHIN: Duration = Duration::from_mins(1);
/// It downloads a base image of half a gigabyte first.
const STARTED_WITHIN: Duration = Duration::from_mins(20);
const LOADED_WITHIN: Duration = Duration::from_mins(10);
const DELETED_WITHIN: Duration = Duration::from_mins(3);
const LOGS_WITHIN: Duration = Duration::from_mins(2);
const INSTALL: &str = "Get it: https://minikube.sigs.k8s.io/docs/start/ (`brew install minikube`)";

/// The `minikube` command with a kubeconfig of the lab's own.
#[derive(Debug, Clone)]
pub struct Minikube {
    tool: Tool,
}

/// What a cluster is to be. What is none is minikube's to choose.
#[derive(Debug, Clone, Copy)]
pub struct ProfileSpec<'a> {
    pub name: &'a str,
    /// `docker`, `kvm2`, …
    pub driver: Option<&'a str>,
    pub cpus: u32,
    /// As minikube reads it: `4g`, `6144mb`.
    pub memory: &'a str,
    /// `v1.35.8`
    pub kubernetes: Option<&'a str>,
}

/// How a profile stands, as `minikube profile list` and `minikube status` say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileState {
    Absent,
    /// It is in minikube's list of profiles that it cannot read.
    Broken,
    /// Host, kubelet and API server run.
    Running,
    /// Any of them does not.
    Stopped,
}

#[derive(Debug, thiserror::Error)]
pub enum MinikubeError {
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error("`minikube version` printed `{printed}`, in which there is no version")]
    NoVersion { printed: String },
    #[error("minikube's answer to `{question}` cannot be read: {why}")]
    Unreadable { question: &'static str, why: String },
    #[error("minikube could not {what}: {said}{}", with_help(advice, *hint))]
    Failed { what: String, said: String, advice: String, hint: Option<&'static str> },
    #[error(
        "minikube said that it was done and never told of its last step: the profile {name} may not be whole. Try again"
    )]
    NotDone { name: String },
    #[error(
        "the name is taken: there is a profile {name}, which coalmine did not make. Give the lab another one (--name); or, if \
         nobody needs that, `minikube delete -p {name}`"
    )]
    Taken { name: String },
    #[error("the profile {name} is still in `minikube profile list` after it was deleted: {said}")]
    Lingering { name: String, said: String },
}

fn with_help(advice: &str, hint: Option<&str>) -> String {
    let lines = [advice, hint.unwrap_or_default()].into_iter().filter(|it| !it.is_empty());
    lines.map(|it| format!("\n{it}")).collect()
}

/// Where the trouble is, by minikube's exit codes: the first code of each family, what helps.
const FAMILIES: &[(i32, &str)] = &[
    (
        10,
        "minikube itself: its options or its files in ~/.minikube. `minikube delete` of the profile and another try help mostly.",
    ),
    (
        20,
        "This machine has too little: memory, disk or processors. Give less with --memory and --cpus, or close something.",
    ),
    (
        30,
        "This computer: virtualization, rights, or something else that runs. `minikube start --alsologtostderr` says more.",
    ),
    (40, "The internet: a download did not end. Behind a proxy set HTTPS_PROXY and NO_PROXY, or use a mirror."),
    (50, "The driver: choose another one with --driver, `docker` where Docker runs."),
    (60, "What stands behind the driver (Docker, a hypervisor) is missing, does not run or refuses this user."),
    (70, "The local network: a VPN, a firewall, or another program's addresses."),
    (80, "The node did not come up. `coalmine down` of this lab and another try help where it was left half made."),
    (90, "The container runtime in the node."),
    (
        100,
        "Kubernetes' control plane did not come up: too little memory, or a Kubernetes that this minikube does not know.",
    ),
    (110, "A service of the cluster."),
    (120, ""),
];

fn hint(code: Option<i32>) -> Option<&'static str> {
    let family = FAMILIES.iter().take_while(|(first, _)| code.is_some_and(|it| it >= *first)).last();
    family.map(|(_, text)| *text).filter(|it| !it.is_empty())
}

#[derive(Deserialize)]
struct Profiles {
    #[serde(default)]
    valid: Vec<Profile>,
    #[serde(default)]
    invalid: Vec<Profile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Profile {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Status {
    host: String,
    kubelet: String,
    #[serde(rename = "APIServer")]
    api_server: String,
}

impl Minikube {
    /// Finds it on PATH. It writes to `kubeconfig` alone, and uses the engine at `engine` (as `DOCKER_HOST` has it) where its
    /// driver is one of containers.
    pub fn find(environment: &Environment, kubeconfig: &Path, engine: Option<&str>) -> Result<Self, CommandError> {
        let tool = Tool::find("minikube", environment, INSTALL)?;
        // Nobody reads its pictures, and nobody sees its notices of updates.
        let tool = tool.with("KUBECONFIG", kubeconfig).with("MINIKUBE_IN_STYLE", "false");
        let tool = tool.with("MINIKUBE_WANTUPDATENOTIFICATION", "false");
        Ok(Self { tool: engine.map_or(tool.clone(), |host| tool.with("DOCKER_HOST", host)) })
    }

    /// Major and minor.
    pub async fn version(&self) -> Result<(u32, u32), MinikubeError> {
        let output = self.tool.ask(&["version", "--short"], ANSWERS_WITHIN).await?;
        parse_version(&output.stdout).ok_or(MinikubeError::NoVersion { printed: output.stdout })
    }

    /// Makes a cluster, or starts and repairs the one that is there.
    pub async fn start(
        &self,
        spec: ProfileSpec<'_>,
        tell: &mut (dyn FnMut(MinikubeEvent) + Send),
    ) -> Result<(), MinikubeError> {
        let args = start_args(spec);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let (mut done, mut error) = (false, None);
        let mut hear = |from: From, line: &str| {
            let Some(event) = (from == From::Stdout).then(|| event::parse(line)).flatten() else { return };
            match &event {
                MinikubeEvent::Step { name, .. } => done |= name == "Done",
                MinikubeEvent::Failed { message, advice } => error = Some((message.clone(), advice.clone())),
                _ => {}
            }
            tell(event);
        };
        let output = self.tool.run(Call { args: &args, stdin: &[], limit: STARTED_WITHIN }, &mut hear).await?;
        match (output.is_success(), done) {
            (true, true) => Ok(()),
            (true, false) => Err(MinikubeError::NotDone { name: spec.name.to_owned() }),
            (false, _) => Err(failed(format!("start the profile {}", spec.name), &output, error)),
        }
    }

    /// How a profile stands.
    pub async fn state(&self, name: &str) -> Result<ProfileState, MinikubeError> {
        // The light list asks no machine, those of other profiles least of all; but it does not have the broken ones.
        if self.profiles(&["-l"]).await?.valid.iter().any(|it| it.name == name) {
            return self.runs(name).await;
        }
        let broken = self.profiles(&[]).await?.invalid.iter().any(|it| it.name == name);
        Ok(if broken { ProfileState::Broken } else { ProfileState::Absent })
    }

    async fn profiles(&self, more: &[&str]) -> Result<Profiles, MinikubeError> {
        let args = [&["profile", "list", "-o", "json"], more].concat();
        let output = self.tool.ask(&args, ANSWERS_WITHIN).await?;
        let unreadable = |why| MinikubeError::Unreadable { question: "minikube profile list -o json", why };
        serde_json::from_str(&output.stdout).map_err(|it| unreadable(format!("{it}; it said: {}", said(&output))))
    }

    /// Its exit code has a bit for each that does not run; what it prints says which.
    async fn runs(&self, name: &str) -> Result<ProfileState, MinikubeError> {
        let output = self.tool.ask(&["status", "-p", name, "-o", "json"], ANSWERS_WITHIN).await?;
        let status: Option<Status> = serde_json::from_str(&output.stdout).ok();
        let runs = status.is_some_and(|it| [it.host, it.kubelet, it.api_server].iter().all(|it| it == "Running"));
        Ok(if runs { ProfileState::Running } else { ProfileState::Stopped })
    }

    /// Names of the images in the node.
    pub async fn images(&self, name: &str) -> Result<Vec<String>, MinikubeError> {
        let output = self.done("list images", &["image", "ls", "-p", name], ANSWERS_WITHIN).await?;
        Ok(output.stdout.lines().map(|it| it.trim().to_owned()).collect())
    }

    /// Brings an image of the engine into the node, or a file as `docker image save` writes it.
    pub async fn load_image(&self, name: &str, image: &str, from_engine: bool) -> Result<(), MinikubeError> {
        let from_engine = if from_engine { "--daemon=true" } else { "--daemon=false" };
        let args = ["image", "load", image, from_engine, "-p", name];
        self.done(&format!("load the image {image}"), &args, LOADED_WITHIN).await.map(drop)
    }

    /// Gives an image of the node another name.
    pub async fn tag_image(&self, name: &str, from: &str, to: &str) -> Result<(), MinikubeError> {
        let args = ["image", "tag", from, to, "-p", name];
        self.done(&format!("give {from} the name {to}"), &args, ANSWERS_WITHIN).await.map(drop)
    }

    /// Deletes a profile with its machine; one that does not exist is deleted already.
    pub async fn delete(&self, name: &str) -> Result<(), MinikubeError> {
        let output = self.tool.ask(&["delete", "-p", name, "--output=json"], DELETED_WITHIN).await?;
        match self.state(name).await? {
            ProfileState::Absent => Ok(()),
            _ => Err(MinikubeError::Lingering { name: name.to_owned(), said: said(&output) }),
        }
    }

    /// What the node, kubelet and control plane logged, into a file.
    pub async fn logs(&self, name: &str, file: &Path) -> Result<(), MinikubeError> {
        let file = format!("--file={}", file.display());
        self.done("write its logs", &["logs", "-p", name, &file], LOGS_WITHIN).await.map(drop)
    }

    async fn done(&self, what: &str, args: &[&str], limit: Duration) -> Result<Output, MinikubeError> {
        let output = self.tool.ask(args, limit).await?;
        if output.is_success() { Ok(output) } else { Err(failed(what.to_owned(), &output, None)) }
    }
}

fn start_args(spec: ProfileSpec<'_>) -> Vec<String> {
    let mut args: Vec<String> =
        ["start", "--output=json", "--interactive=false", "--keep-context", "--embed-certs"].map(str::to_owned).into();
    // Nodes and DNS are waited for beside the lab's parts.
    args.extend(["--container-runtime=containerd", "--wait=apiserver"].map(str::to_owned));
    args.extend([
        "-p".to_owned(),
        spec.name.to_owned(),
        format!("--cpus={}", spec.cpus),
        format!("--memory={}", spec.memory),
    ]);
    args.extend(spec.kubernetes.map(|it| format!("--kubernetes-version={it}")));
    args.extend(spec.driver.map(|it| format!("--driver={it}")));
    args
}

fn failed(what: String, output: &Output, told: Option<(String, String)>) -> MinikubeError {
    let (said, advice) = told.unwrap_or_else(|| (said(output), String::new()));
    MinikubeError::Failed { what, said, advice, hint: hint(output.code) }
}

/// The last words of a command that tells no events.
fn said(output: &Output) -> String {
    let mut lines = output.stderr.lines().chain(output.stdout.lines()).filter(|it| !it.trim().is_empty());
    lines.next_back().map_or_else(|| "it said nothing".to_owned(), |it| it.trim().to_owned())
}

/// `v1.39.0`, or `minikube version: v1.39.0` from those that know no --short.
fn parse_version(printed: &str) -> Option<(u32, u32)> {
    let numbers = printed.split_whitespace().find_map(|it| it.strip_prefix('v').filter(|it| it.contains('.')))?;
    let mut parts = numbers.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_what_minikube_prints() {
        for (printed, version) in [
            ("v1.39.0\n", Some((1, 39))),
            ("minikube version: v1.25.2\ncommit: 362d5fdc0a3dbee389b3d3f1034e8023e72bd3a7", Some((1, 25))),
            ("", None),
            ("version unknown", None),
        ] {
            assert_eq!(parse_version(printed), version, "{printed}");
        }
    }

    #[test]
    fn an_exit_code_says_where_the_trouble_is() {
        for (code, expected) in [
            (Some(23), Some("This machine has too little")),
            (Some(29), Some("This machine has too little")),
            (Some(69), Some("What stands behind the driver")),
            (Some(109), Some("Kubernetes' control plane")),
            (Some(1), None),
            (Some(2), None),
            (Some(130), None),
            (None, None),
        ] {
            let found = hint(code);
            assert_eq!(found.is_some(), expected.is_some(), "{code:?}");
            assert!(found.unwrap_or_default().starts_with(expected.unwrap_or_default()), "{code:?}: {found:?}");
        }
    }

    #[test]
    fn what_is_not_said_is_minikubes_to_choose() {
        let spec = ProfileSpec { name: "coalmine-a", driver: None, cpus: 2, memory: "4g", kubernetes: None };
        let args = start_args(spec).join(" ");
        assert!(
            args.contains("--keep-context") && !args.contains("--driver") && !args.contains("--kubernetes-version")
        );
        let args = start_args(ProfileSpec { driver: Some("kvm2"), kubernetes: Some("v1.35.8"), ..spec }).join(" ");
        assert!(
            args.ends_with("-p coalmine-a --cpus=2 --memory=4g --kubernetes-version=v1.35.8 --driver=kvm2"),
            "{args}"
        );
    }
}

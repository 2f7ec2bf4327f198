//! What is so on this computer now, gathered for [`super::examine`].

use super::engine::{Engine, EngineError, EngineFacts};
use super::kind::Kind;
use super::minikube::Minikube;
use super::{Environment, Tool};
use std::path::Path;
use std::time::Duration;

/// For `docker --version`.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// Everything that a lab of containers depends on. A fact that could not be had is none; nothing is guessed.
#[derive(Debug, Default)]
pub struct Facts {
    pub engine: Option<Result<(String, EngineFacts), EngineError>>,
    /// The `docker` command's version, which kind needs beside the engine.
    pub docker_command: Option<Result<String, String>>,
    pub kind: Option<Result<(u32, u32), String>>,
    /// Major and minor.
    pub minikube: Option<Result<(u32, u32), String>>,
    /// Free bytes where the engine keeps images, if that is on this machine; else where the state is kept.
    pub free_disk_bytes: Option<u64>,
    pub inotify_instances: Option<u64>,
    pub inotify_watches: Option<u64>,
    /// Proxy variables that are set, and whether loopback is excepted in NO_PROXY.
    pub proxies: Vec<String>,
    pub no_proxy_has_loopback: bool,
    /// The node image's Kubernetes version: major and minor.
    pub kubernetes: (u32, u32),
}

/// Looks at the machine for labs whose nodes run Kubernetes `kubernetes`.
pub async fn gather(environment: &Environment, kubernetes: (u32, u32)) -> Facts {
    let mut facts = Facts {
        inotify_instances: number(Path::new("/proc/sys/fs/inotify/max_user_instances")),
        inotify_watches: number(Path::new("/proc/sys/fs/inotify/max_user_watches")),
        kubernetes,
        ..Facts::default()
    };
    proxies(environment, &mut facts);
    facts.docker_command = Some(ask(environment, "docker", "", &["--version"]).await);
    facts.minikube = Some(minikube(environment).await);
    let engine = engine(environment).await;
    let host = engine.as_ref().map_or("", |(host, _)| host.as_str());
    facts.kind = Some(match Kind::find(environment, host) {
        Ok(kind) => kind.version().await.map_err(|it| it.to_string()),
        Err(missing) => Err(missing.to_string()),
    });
    let folder = engine.as_ref().map(|(_, facts)| facts.root_folder.clone()).unwrap_or_default();
    facts.free_disk_bytes = free_bytes(Path::new(&folder)).or_else(|| free_bytes(&environment.home()?));
    facts.engine = Some(engine);
    facts
}

async fn engine(environment: &Environment) -> Result<(String, EngineFacts), EngineError> {
    let engine = Engine::connect(environment).await?;
    let facts = engine.facts().await?;
    Ok((engine.endpoint.host, facts))
}

async fn minikube(environment: &Environment) -> Result<(u32, u32), String> {
    let found = Minikube::find(environment, Path::new("/dev/null"), None).map_err(|it| it.to_string())?;
    found.version().await.map_err(|it| it.to_string())
}

async fn ask(
    environment: &Environment,
    name: &'static str,
    install: &'static str,
    args: &[&str],
) -> Result<String, String> {
    let tool = Tool::find(name, environment, install).map_err(|it| it.to_string())?;
    let output = tool.ask(args, ANSWERS_WITHIN).await.map_err(|it| it.to_string())?;
    if output.is_success() { Ok(output.stdout.trim().to_owned()) } else { Err(output.stderr.trim().to_owned()) }
}

fn number(file: &Path) -> Option<u64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// None where there is no such folder here, as with an engine in a virtual machine.
fn free_bytes(folder: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

fn proxies(environment: &Environment, facts: &mut Facts) {
    let either = |name: &str| environment.get(name).or_else(|| environment.get(&name.to_lowercase()));
    let set = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].into_iter().filter(|it| either(it).is_some());
    facts.proxies = set.map(str::to_owned).collect();
    let excepted = either("NO_PROXY").unwrap_or_default();
    facts.no_proxy_has_loopback = excepted.split(',').any(|it| matches!(it.trim(), "*" | "127.0.0.1" | "127.0.0.0/8"));
}

//! The container engine, through its own API: what it is, the images that it has, and images into a node.

use super::Environment;
use super::endpoint::{self, Endpoint, EndpointError};
use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error as EngineFailure;
use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::{ContainerSummary, ExecConfig, SystemInfo};
use bollard::query_parameters::{
    CreateImageOptionsBuilder, ImportImageOptionsBuilder, ListContainersOptionsBuilder, StartContainerOptions,
    TagImageOptionsBuilder,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, pin_mut};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;

/// A socket may lie there with nobody behind it.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// What an import printed last is kept for its error.
const MAX_PRINTED: usize = 4096;
/// What a command in a container may print; a list of images is the longest.
const MAX_ANSWER: usize = 1 << 20;

/// A container engine that answers. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(super) docker: Docker,
    pub endpoint: Endpoint,
}

/// Why there is no engine, or why it did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    #[error(
        "no container engine answers ({tried}). Start Docker (Docker Desktop, OrbStack, `colima start --cpu 4 --memory 6`, `sudo systemctl start docker`), or set DOCKER_HOST"
    )]
    None { tried: String },
    #[error("the container engine at {host} refuses this user. `sudo usermod -aG docker $USER`, then log in anew")]
    Refused { host: String },
    #[error(
        "the address {host} ({source_name}) cannot be used: {why}. Only unix:// and tcp:// without TLS are spoken here"
    )]
    Address { host: String, source_name: String, why: String },
    #[error("the container engine could not {what}: {why}")]
    Failed { what: String, why: String },
}

/// What the engine says of itself (`docker info`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineFacts {
    pub version: String,
    /// `Docker Desktop`, `OrbStack`, or the distribution's name.
    pub system: String,
    /// `linux`
    pub os: String,
    /// As `uname -m` has it: `x86_64`, `aarch64`
    pub architecture: String,
    pub cpus: u64,
    pub memory_bytes: u64,
    /// `1` or `2`
    pub cgroup_version: String,
    pub rootless: bool,
    /// Images are kept by containerd, with all the platforms of a name.
    pub containerd_store: bool,
    /// Where it keeps images, on its own machine.
    pub root_folder: String,
}

impl EngineFacts {
    fn of(info: SystemInfo) -> Self {
        let has = |list: &Option<Vec<String>>, what: &str| list.iter().flatten().any(|it| it.contains(what));
        let store = info.driver_status.iter().flatten().flatten().any(|it| it.contains("io.containerd.snapshotter"));
        let count = |it: Option<i64>| it.and_then(|it| u64::try_from(it).ok()).unwrap_or_default();
        Self {
            version: info.server_version.unwrap_or_default(),
            system: info.operating_system.unwrap_or_default(),
            os: info.os_type.unwrap_or_default(),
            architecture: info.architecture.unwrap_or_default(),
            cpus: count(info.ncpu),
            memory_bytes: count(info.mem_total),
            cgroup_version: info.cgroup_version.map(|it| it.to_string()).unwrap_or_default(),
            rootless: has(&info.security_options, "name=rootless"),
            containerd_store: store,
            root_folder: info.docker_root_dir.unwrap_or_default(),
        }
    }

    /// The platform as image names have it: `linux/amd64`
    #[must_use]
    pub fn platform(&self) -> String {
        let architecture = match self.architecture.as_str() {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        format!("linux/{architecture}")
    }
}

/// An image that the engine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// `sha256:…`: of its configuration, or of its index where containerd keeps the images.
    pub id: String,
    pub bytes: u64,
}

/// How far a pull is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pulled {
    pub bytes: u64,
    /// Grows while layers are being discovered.
    pub of: u64,
}

/// A container of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    pub id: String,
    pub name: String,
    pub labels: BTreeMap<String, String>,
    /// `running`, `paused`, `exited`, …
    pub state: String,
    /// Names of the networks that it is in, or is to be in when it starts.
    pub networks: BTreeSet<String>,
}

impl Engine {
    /// The first engine that answers, where the docker command would look for it and then where others put their socket.
    pub async fn connect(environment: &Environment) -> Result<Self, EngineError> {
        let mut tried = Vec::new();
        for endpoint in endpoint::candidates(environment)? {
            match Self::connect_to(endpoint.clone()).await {
                Ok(engine) => return Ok(engine),
                Err(error @ (EngineError::Refused { .. } | EngineError::Address { .. })) => return Err(error),
                Err(_) => tried.push(format!("{}, {}", endpoint.host, endpoint.source)),
            }
        }
        Err(EngineError::None { tried: tried.join("; ") })
    }

    async fn connect_to(endpoint: Endpoint) -> Result<Self, EngineError> {
        if let Some(socket) = endpoint.host.strip_prefix("unix://") {
            // bollard says of every socket only that it is not there.
            match tokio::net::UnixStream::connect(socket).await {
                Ok(_) => (),
                Err(why) if why.kind() == io::ErrorKind::PermissionDenied => {
                    return Err(EngineError::Refused { host: endpoint.host });
                }
                Err(why) => return Err(EngineError::Failed { what: "answer".to_owned(), why: why.to_string() }),
            }
        }
        let docker = Docker::connect_with_host(&endpoint.host);
        let docker = docker.map_err(|why| EngineError::Address {
            host: endpoint.host.clone(),
            source_name: endpoint.source.to_string(),
            why: why.to_string(),
        })?;
        let failed = |why: String| EngineError::Failed { what: "answer".to_owned(), why };
        // Old engines refuse requests of a newer API version than theirs.
        match tokio::time::timeout(ANSWERS_WITHIN, docker.negotiate_version()).await {
            Ok(Ok(docker)) => Ok(Self { docker, endpoint }),
            Ok(Err(why)) => Err(failed(why.to_string())),
            Err(_) => Err(failed(format!("no answer within {}", crate::model::duration::go(ANSWERS_WITHIN)))),
        }
    }

    pub async fn facts(&self) -> Result<EngineFacts, EngineError> {
        self.docker.info().await.map(EngineFacts::of).map_err(failed("say what it is"))
    }

    /// None where it has no image of this name.
    pub async fn image(&self, name: &str) -> Result<Option<Image>, EngineError> {
        match self.docker.inspect_image(name).await {
            Ok(it) => Ok(Some(Image {
                id: it.id.unwrap_or_default(),
                bytes: it.size.and_then(|it| u64::try_from(it).ok()).unwrap_or_default(),
            })),
            Err(EngineFailure::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(why) => Err(failed(&format!("look for the image {name}"))(why)),
        }
    }

    /// Gives an image another name, with a tag.
    pub async fn tag(&self, image: &str, name: &str) -> Result<(), EngineError> {
        let (repository, tag) = name.rsplit_once(':').unwrap_or((name, "latest"));
        let options = TagImageOptionsBuilder::default().repo(repository).tag(tag).build();
        self.docker.tag_image(image, Some(options)).await.map_err(failed(&format!("call {image} {name}")))
    }

    /// Pulls an image of one platform (`linux/amd64`), telling how far it is.
    pub async fn pull(
        &self,
        name: &str,
        platform: &str,
        progress: &(dyn Fn(Pulled) + Sync),
    ) -> Result<(), EngineError> {
        let options = CreateImageOptionsBuilder::default().from_image(name).platform(platform).build();
        let lines = self.docker.create_image(Some(options), None, None);
        pin_mut!(lines);
        let mut layers = BTreeMap::new();
        while let Some(line) = lines.next().await {
            let line = line.map_err(failed(&format!("pull {name}")))?;
            let (Some(layer), Some(detail)) = (line.id, line.progress_detail) else { continue };
            let (Some(current), Some(total)) = (detail.current, detail.total) else { continue };
            // Unpacking counts the same layer from nought again; only the way over the network is told.
            if line.status.as_deref() == Some("Downloading") {
                let count = |it: i64| u64::try_from(it).unwrap_or_default();
                layers.insert(layer, Pulled { bytes: count(current), of: count(total) });
            }
            progress(
                layers
                    .values()
                    .fold(Pulled::default(), |sum, it| Pulled { bytes: sum.bytes + it.bytes, of: sum.of + it.of }),
            );
        }
        Ok(())
    }

    /// A tar of images, as `docker image save` writes it.
    pub fn save<'a>(&'a self, names: &'a [&'a str]) -> impl Stream<Item = Result<Bytes, EngineError>> + Send + 'a {
        self.docker.export_images(names).map(|it| it.map_err(failed("save images")))
    }

    /// Reads a tar of images into the engine, as `docker image load` does.
    pub async fn load(
        &self,
        tar: impl Stream<Item = Result<Bytes, EngineError>> + Send + 'static,
    ) -> Result<(), EngineError> {
        let body = bollard::body_try_stream(tar.map(|it| it.map_err(io::Error::other)));
        let options = ImportImageOptionsBuilder::default().quiet(true).build();
        let lines = self.docker.import_image(options, body, None);
        pin_mut!(lines);
        while let Some(line) = lines.next().await {
            line.map_err(failed("load images"))?;
        }
        Ok(())
    }

    /// Reads a tar of images into a node's containerd, as kubelet will look for them. `kind load` asks for all platforms of
    /// each name, of which an engine mostly has one, and fails; this does not.
    pub async fn import_into(
        &self,
        node: &str,
        tar: impl Stream<Item = Result<Bytes, EngineError>> + Send,
    ) -> Result<(), EngineError> {
        let what = format!("import images into {node}");
        let command = ["ctr", "--namespace=k8s.io", "images", "import", "--digests", "--snapshotter=overlayfs", "-"];
        let config = ExecConfig {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(command.map(str::to_owned).to_vec()),
            ..ExecConfig::default()
        };
        let exec = self.docker.create_exec(node, config).await.map_err(failed(&what))?.id;
        let started = self.docker.start_exec(&exec, None::<StartExecOptions>).await.map_err(failed(&what))?;
        let StartExecResults::Attached { output, mut input } = started else {
            return Err(EngineError::Failed { what, why: "the command runs without its streams".to_owned() });
        };
        let feed = async {
            pin_mut!(tar);
            while let Some(bytes) = tar.next().await {
                // ctr ended before the end of its input: its own words, below, say why.
                if input.write_all(&bytes?).await.is_err() {
                    break;
                }
            }
            let _ = input.shutdown().await;
            Ok(())
        };
        let (fed, printed): (Result<(), EngineError>, String) = tokio::join!(feed, listen(output, MAX_PRINTED));
        fed?;
        match self.docker.inspect_exec(&exec).await.map_err(failed(&what))?.exit_code {
            Some(0) => Ok(()),
            code => Err(EngineError::Failed { what, why: format!("ctr ended with {code:?}: {}", printed.trim()) }),
        }
    }

    /// Runs a command in a container to its end: its exit code, and the end of what it printed.
    pub async fn run_in(&self, container: &str, command: &[&str]) -> Result<(i64, String), EngineError> {
        let what = format!("run {} in {container}", command.join(" "));
        let config = ExecConfig {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(command.iter().map(|it| (*it).to_owned()).collect()),
            ..ExecConfig::default()
        };
        let exec = self.docker.create_exec(container, config).await.map_err(failed(&what))?.id;
        let started = self.docker.start_exec(&exec, None::<StartExecOptions>).await.map_err(failed(&what))?;
        let StartExecResults::Attached { output, .. } = started else {
            return Err(EngineError::Failed { what, why: "the command runs without its streams".to_owned() });
        };
        let printed = listen(output, MAX_ANSWER).await;
        let code = self.docker.inspect_exec(&exec).await.map_err(failed(&what))?.exit_code;
        Ok((code.unwrap_or(-1), printed))
    }

    /// All containers, running or not, that one of the engine's filters lets through: `label` with `name=value`, `name` with a
    /// regular expression.
    pub async fn containers(&self, filter: &str, value: &str) -> Result<Vec<Container>, EngineError> {
        let filters = [(filter.to_owned(), vec![value.to_owned()])].into();
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let found = self.docker.list_containers(Some(options)).await.map_err(failed("list containers"))?;
        Ok(found.into_iter().map(Container::of).collect())
    }

    /// Freezes a container's processes; its connections stay open and silent.
    pub async fn pause(&self, container: &str) -> Result<(), EngineError> {
        self.docker.pause_container(container).await.map_err(failed(&format!("pause {container}")))
    }

    /// Starts a container that has ended; one that runs stays as it is.
    pub async fn start(&self, container: &str) -> Result<(), EngineError> {
        let started = self.docker.start_container(container, None::<StartContainerOptions>).await;
        started.map_err(failed(&format!("start {container}")))
    }

    pub async fn unpause(&self, container: &str) -> Result<(), EngineError> {
        self.docker.unpause_container(container).await.map_err(failed(&format!("unpause {container}")))
    }
}

/// The last `most` bytes of what a command prints.
async fn listen(mut output: impl Stream<Item = Result<LogOutput, EngineFailure>> + Unpin, most: usize) -> String {
    let mut printed = String::new();
    while let Some(Ok(it)) = output.next().await {
        if let LogOutput::StdErr { message } | LogOutput::StdOut { message } = it {
            printed.push_str(&String::from_utf8_lossy(&message));
        }
        let from = printed.ceil_char_boundary(printed.len().saturating_sub(most));
        printed.drain(..from);
    }
    printed
}

impl Container {
    fn of(summary: ContainerSummary) -> Self {
        let name = summary.names.into_iter().flatten().next().unwrap_or_default();
        let networks = summary.network_settings.and_then(|it| it.networks).into_iter().flatten().map(|(name, _)| name);
        // One that is being made has this already.
        let network = summary.host_config.and_then(|it| it.network_mode);
        Self {
            id: summary.id.unwrap_or_default(),
            name: name.trim_start_matches('/').to_owned(),
            labels: summary.labels.unwrap_or_default().into_iter().collect(),
            state: summary.state.map(|it| it.to_string()).unwrap_or_default(),
            networks: networks.chain(network).collect(),
        }
    }
}

pub(super) fn failed(what: &str) -> impl Fn(EngineFailure) -> EngineError + use<> {
    let what = what.to_owned();
    move |why| EngineError::Failed { what: what.clone(), why: said(&why) }
}

/// The engine's own words, without bollard's around them.
fn said(failure: &EngineFailure) -> String {
    match failure {
        EngineFailure::DockerResponseServerError { message, .. }
        | EngineFailure::DockerStreamError { error: message } => message.clone(),
        other => other.to_string(),
    }
}

//! What stands behind a container: the seam between the kubelet and whoever can make an image run.
//!
//! A real kubelet speaks to containerd; ours speaks to a [`Runtime`]. The lab gives it one whose images are the demo app.

use crate::sys::http::{HttpError, Request, Response};
use crate::sys::output::Output;
use crate::sys::stdio::Stdio;
use futures_util::future::{BoxFuture, ready};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The exit code of a process that was ended by SIGKILL.
pub const EXIT_KILLED: i32 = 137;

/// Pulls images and starts processes from them.
///
/// Both calls answer at once: the time that a pull or a start takes is the kubelet's to simulate ([`super::Timing`]).
pub trait Runtime: Send + Sync {
    /// Whether `image` can be had from its registry.
    fn pull(&self, image: &str) -> Result<(), PullError>;

    /// Starts a process. A process that starts and then fails is `Ok` here, and ends with its exit code.
    fn start(&self, container: ContainerSpec) -> Result<Arc<dyn Process>, StartError>;
}

/// One running container.
pub trait Process: Send + Sync {
    /// Sends a request to `port` of this process. A port where it does not listen gives [`HttpError::Refused`].
    fn request(&self, port: u16, request: Request) -> BoxFuture<'static, Result<Response, HttpError>>;

    /// Ends with the exit code as soon as the process has ended, also when it had ended before the call.
    fn exited(&self) -> BoxFuture<'static, i32>;

    /// SIGTERM: stop taking requests, finish those under way, exit.
    fn terminate(&self);

    /// SIGKILL: gone at once, with [`EXIT_KILLED`].
    fn kill(&self);

    /// Runs a command beside the process, in its container. Ends with the command's exit code, or with the container
    /// runtime's refusal to start it. An image without files has no commands.
    fn exec(&self, command: Vec<String>, _stdio: Stdio) -> BoxFuture<'static, Result<i32, String>> {
        Box::pin(ready(Err(no_such_executable(command.first().map_or("", String::as_str)))))
    }
}

/// What runc says of a command that the container does not have.
#[must_use]
pub fn no_such_executable(program: &str) -> String {
    let why = if program.contains('/') { "stat " } else { "" };
    let missing =
        if program.contains('/') { "no such file or directory" } else { "executable file not found in $PATH" };
    let place = if why.is_empty() { String::new() } else { format!("{why}{program}: ") };
    format!(
        "failed to exec in container: failed to start exec: OCI runtime exec failed: exec failed: unable to start container \
         process: exec: \"{program}\": {place}{missing}: unknown"
    )
}

/// All that a process gets from its pod, with references resolved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContainerSpec {
    pub namespace: String,
    pub pod: String,
    /// Also the pod's `metadata.uid`.
    pub pod_uid: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub node_ip: String,
    pub node_name: String,
    pub pod_ip: String,
    /// The container's name in the pod.
    pub name: String,
    /// How often this container has been restarted in this pod: 0 for its first start.
    pub restart: u32,
    pub image: String,
    pub command: Vec<String>,
    pub args: Vec<String>,
    /// `env` over `envFrom`, values from ConfigMaps, Secrets and fields put in, `$(NAME)` expanded.
    pub env: BTreeMap<String, String>,
    pub ports: Vec<ContainerPort>,
    /// Mount path to file name to content, for volumes made of ConfigMaps and Secrets.
    pub files: BTreeMap<String, BTreeMap<String, String>>,
    /// Where the process prints to.
    pub output: Output,
}

/// A declared port. Declaring is information only: what is open is the process's own matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerPort {
    pub name: String,
    /// 1 to 65535.
    pub port: u16,
}

/// Why an image cannot be pulled, in containerd's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PullError {
    #[error(
        "rpc error: code = NotFound desc = failed to pull and unpack image \"{image}\": failed to resolve reference \"{image}\": {image}: not found"
    )]
    NotFound { image: String },
    /// Anything else (no such registry, no access), in the runtime's words.
    #[error("rpc error: code = Unknown desc = failed to pull and unpack image \"{image}\": {why}")]
    Other { image: String, why: String },
}

/// Why a process could not be started at all (no such executable, say).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StartError {
    /// What the container's terminated state says; containerd gives 128 when nothing ran.
    pub exit_code: i32,
    pub message: String,
}

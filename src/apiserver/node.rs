//! What the server asks of whoever runs the pods: the other end of `log`, `exec`, `attach`, `portforward`, and how much they
//! use. The server itself knows no containers.

use super::status::Status;
use crate::sys::stdio::Stdio;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use std::sync::Arc;
use tokio::io::DuplexStream;

/// One container of a pod that exists, has been assigned to a node, and has that container in its spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerAt {
    pub namespace: String,
    pub pod: String,
    pub container: String,
}

/// `PodLogOptions`, checked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LogOptions {
    /// Goes on until the container ends or the client leaves.
    pub follow: bool,
    /// Of the container's run before this one.
    pub previous: bool,
    /// Only lines that were written at or after this time.
    pub since: Option<Timestamp>,
    /// Each line begins with its time.
    pub timestamps: bool,
    /// Only this many of the last lines.
    pub tail_lines: Option<u64>,
    /// Ends after this many bytes, in mid-line if need be.
    pub limit_bytes: Option<u64>,
}

/// How a command ended; the error is a refusal to start it, in the container runtime's words.
pub type Ended = BoxFuture<'static, Result<i32, String>>;

/// A byte stream to a port, and what broke it (None: it ended well).
pub struct Connection {
    pub stream: DuplexStream,
    pub failed: BoxFuture<'static, Option<String>>,
}

/// What one container uses. Absolute, not per interval.
#[derive(Debug, Clone, PartialEq)]
pub struct Usage {
    pub container: String,
    /// Thousandths of a processor.
    pub cpu_millicores: f64,
    pub memory_bytes: u64,
}

/// What a node or a pod's containers used, and over which time until when.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    pub at: Timestamp,
    pub window_seconds: u64,
    pub containers: Vec<Usage>,
}

/// The node agent, as the server sees it.
pub trait NodeAgent: Send + Sync {
    /// What a container printed, in pieces. Refused when it has not started, or has no run before this one.
    fn logs(&self, at: &ContainerAt, options: &LogOptions) -> Result<BoxStream<'static, Bytes>, Status>;

    /// Runs a command in a container. Refused when the container does not run.
    fn exec(&self, at: &ContainerAt, command: Vec<String>, stdio: Stdio) -> Result<Ended, Status>;

    /// Joins the streams of a container's process; ends with it. Refused when the container does not run.
    fn attach(&self, at: &ContainerAt, stdio: Stdio) -> Result<Ended, Status>;

    /// Connects to a port of a pod.
    fn connect(&self, namespace: &str, pod: &str, port: u16) -> Result<Connection, String>;

    /// What the pod's containers use; None while nothing is known.
    fn pod_usage(&self, namespace: &str, pod: &str) -> Option<Measured>;

    /// What a node uses, as one entry without a container's name; None while nothing is known.
    fn node_usage(&self, node: &str) -> Option<Measured>;
}

/// A shared node agent.
pub type SharedNodeAgent = Arc<dyn NodeAgent>;

//! Makes labs: wires the stations into three endpoints, and takes them down.
//!
//! In: a clock, a seed; for a lab that somebody else made, how to reach it ([`Reach`]).
//! Out: a [`Lab`]: a Kubernetes API, a Prometheus API, an address for requests; [`Up`] is one that others can reach too.
//! Never: scenarios, views, what a canary is.

mod autoscale;
mod embedded;
mod images;
mod manifests;
mod network;
mod node;
pub mod real;
mod remote;
mod serve;
mod up;

pub use embedded::{Embedded, LabError, Options};
pub use manifests::builtin as builtin_manifests;
pub use remote::{Address, Reach, Remote, RemoteError};
pub use serve::{Ports, ServeError, Served, TlsError};
pub use up::{Up, UpError, UpOptions};

use crate::cluster::Client;
use crate::event::LabStep;
use crate::sys::clock::Clock;
use crate::sys::http::SharedHttp;
use std::sync::Arc;

/// [`Lab::name`] of the embedded lab.
pub const EMBEDDED: &str = "embedded";

/// A lab as everyone else knows it. Cheap to clone.
#[derive(Clone)]
pub struct Lab {
    /// `embedded`, or the name of a lab that was up before.
    pub name: String,
    pub clock: Clock,
    pub kubernetes: Client,
    pub prometheus: Endpoint,
    /// Where users' requests enter.
    pub entry: Endpoint,
}

/// An address and how to send there.
#[derive(Clone)]
pub struct Endpoint {
    pub http: SharedHttp,
    /// Base URL without a slash at its end.
    pub address: String,
}

/// Hears of each step of making and taking down a lab.
pub type Progress = Arc<dyn Fn(LabStep) + Send + Sync>;

//! What every way of having a cluster can do.

use super::context::ContextError;
use crate::cluster::{ClusterError, ConnectError};
use crate::install::{Act, Steps};
use crate::machine::{Check, CommandError, EngineError, KindError, MinikubeError, OwnImageError, PackError};
use crate::model::object::ObjectRef;
use futures_util::future::BoxFuture;
use std::path::{Path, PathBuf};

/// A way of having a cluster. Every call may be repeated: what is done already is left as it is, what was left half done is
/// done anew.
pub trait Provider: Send + Sync {
    /// Makes the cluster, or finds it whole, and writes its kubeconfig. What keeps its nodes from being ready is waited for
    /// with the parts, beside them ([`Cluster::awaits`]).
    fn provision<'a>(&'a self, steps: &'a Steps) -> BoxFuture<'a, Result<Cluster, ProviderError>>;

    /// Brings images from this machine into the cluster, as far as this machine has them and the cluster does not.
    fn bring_images(&self, images: Vec<Wanted>) -> Act;

    /// Removes all that [`Provider::provision`] made, and nothing else.
    fn delete<'a>(&'a self, steps: &'a Steps) -> BoxFuture<'a, Result<(), ProviderError>>;

    /// Writes into `folder` what only the provider can see: nodes' journals, the engine's own words.
    fn evidence<'a>(&'a self, folder: &'a Path) -> BoxFuture<'a, Result<(), ProviderError>>;
}

/// An image that the cluster is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// As the lab's objects name it.
    pub name: String,
    /// The image of this machine that is given that name in the cluster, where it is another one.
    pub stand_in: Option<String>,
}

/// A cluster that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    pub kubeconfig: PathBuf,
    pub context: String,
    /// Objects of the cluster itself that must be ready before anything can run in it.
    pub awaits: Vec<ObjectRef>,
}

/// Why there is no cluster.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    #[error("this machine cannot hold the lab:{}", unwell(.0))]
    Machine(Vec<Check>),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Kind(#[from] KindError),
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error(transparent)]
    OwnImage(#[from] OwnImageError),
    #[error(transparent)]
    Pack(#[from] PackError),
    #[error(transparent)]
    Context(#[from] ContextError),
    #[error(transparent)]
    Minikube(#[from] MinikubeError),
    #[error("minikube's kubeconfig cannot be used: {0}")]
    Kubeconfig(#[from] ConnectError),
    #[error("the cluster does not answer: {0}")]
    NoAnswer(#[from] ClusterError),
    #[error(
        "the image {image} is not on this machine and could not be pulled: {source}. `docker pull {image}` shows what is in the \
        way; --images FILE names another one; --pack FILE brings one along (`coalmine pack`)"
    )]
    Pull { image: String, source: EngineError },
    #[error("{path} could not be {did}: {why}", path = path.display())]
    File { path: PathBuf, did: &'static str, why: std::io::Error },
    #[error(
        "the name is taken: the engine has {what}, which {owner}. Give the lab another one (--name); or, if nobody needs that, \
        `{remove}`"
    )]
    Taken { what: String, owner: String, remove: String },
    #[error("these containers are still there after the cluster was deleted: {}", .0.join(", "))]
    Lingering(Vec<String>),
}

fn unwell(checks: &[Check]) -> String {
    checks.iter().map(|it| format!("\n  {}: {}. {}", it.name, it.found, it.fix)).collect()
}

//! A lab on a cluster that is there already: somebody's own, by the name of its context.
//!
//! In: a client of the cluster, what the lab is to consist of. Out: a [`Plan`] that a person can agree to; the lab, by the same
//! parts as everywhere; its end.
//! Never: the current context of anybody's kubeconfig, images of this machine (nodes pull for themselves).
//!
//! Decisions
//! - Everything that the lab makes bears its mark ([`mark`]), and `down` goes by the mark alone: what has none is not the
//!   lab's, whatever its name.
//! - What the demo app consists of is Flux' to apply and to prune. What it leaves (a run had taken the app out of its hands, or
//!   Flux itself is gone) is swept afterwards, by the labels and the field manager that coalmine's runs put on it.
//! - Namespaces and definitions may be somebody else's: then they are used, and stay. The lab's own stay too where somebody
//!   else has put objects into them.
//! - An IngressClass of the lab is not the cluster's default.

mod look;
mod plan;
mod remove;
mod rights;
mod theirs;

pub use plan::Plan;

use super::parts::{self, Ground};
use super::provider::{Cluster, Provider, ProviderError, Wanted};
use crate::cluster::{Access, Client, ClusterError, ConnectError, Extract};
use crate::install::{Act, Outcome, Steps};
use crate::model::object::Labels;
use crate::stack::{Images, Profile, StackError};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// By which one lab's objects are known among all others. Its value is the lab's name.
pub(super) const LAB: &str = "coalmine/lab";
/// Makes a class the one of Ingresses that name none.
const DEFAULT_CLASS: &str = "ingressclass.kubernetes.io/is-default-class";

/// What a lab is to consist of.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// The lab's name.
    pub lab: &'a str,
    pub images: &'a Images,
    pub profile: Profile,
    pub grafana: bool,
    /// The cluster's own Flux and Flagger are to be used.
    pub use_flux: bool,
    pub use_flagger: bool,
}

/// Why somebody's cluster cannot hold the lab, or not be rid of it.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the cluster of the context `{context}` does not answer: {source}")]
    NoAnswer { context: String, source: ClusterError },
    #[error("you may not do there what the lab needs: {}. Ask who runs the cluster for the role cluster-admin", .0.join("; "))]
    Rights(Vec<String>),
    #[error(
        "the cluster has {what} already ({found}). `--use-existing {flag}` uses it and leaves what belongs to it alone"
    )]
    Has { what: &'static str, flag: &'static str, found: String },
    #[error(
        "the cluster has definitions of {what} ({found}), and no {what} that runs. Where nobody needs them: kubectl delete crd {found}"
    )]
    Remains { what: &'static str, found: String },
    #[error("there is no {what} that could be used: {looked}. Leave out `--use-existing {flag}` to have one installed")]
    HasNot { what: &'static str, flag: &'static str, looked: &'static str },
    #[error("the cluster's {what} cannot be used: {why}")]
    Unfit { what: &'static str, why: String },
    #[error("these are there already, and somebody else's; they are left as they are:{}{}", listed(.0), if_class(.0))]
    InTheWay(Vec<String>),
    #[error(
        "the router `builtin` is coalmine itself, and this cluster's nodes cannot have {0} from this machine. Build it \
         (lab/Dockerfile), push it where the nodes can pull it, and name it in a file for --images: images: {{router: NAME:TAG}}"
    )]
    OwnRouter(String),
    #[error(transparent)]
    Stack(#[from] StackError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error("these are still there, some minutes after they were deleted: {}. Look at their finalizers", .0.join(", "))]
    Lingering(Vec<String>),
}

fn listed(all: &[String]) -> String {
    all.iter().map(|it| format!("\n  {it}")).collect()
}

fn if_class(all: &[String]) -> &'static str {
    if all.iter().any(|it| it.contains("Class ")) {
        "\nA router of that class runs there: choose another with --router"
    } else {
        ""
    }
}

/// The labels of everything that a lab makes.
pub(super) fn mark(lab: &str) -> Labels {
    Labels::from([("app.kubernetes.io/managed-by".to_owned(), "coalmine".to_owned()), (LAB.to_owned(), lab.to_owned())])
}

/// What holds for a cluster's own router holds there after the lab has come, too.
pub(super) fn tame(object: &mut Value) {
    if object["kind"] == "IngressClass"
        && let Some(annotations) = object["metadata"]["annotations"].as_object_mut()
    {
        annotations.shift_remove(DEFAULT_CLASS);
    }
}

/// A cluster by its context, before anything is made there.
pub struct Candidate {
    client: Client,
    context: String,
    /// Base URL of its Kubernetes API.
    pub server: String,
    /// A kubeconfig with this one context, for a lab there.
    pub kubeconfig: String,
}

impl Candidate {
    /// `kubeconfig`: the one that the environment names where it is none.
    pub async fn open(kubeconfig: Option<&Path>, context: &str) -> Result<Self, ContextError> {
        let Extract { kubeconfig: own, server } = Client::extract(kubeconfig, context)?;
        let client = Client::connect_context(kubeconfig, Some(context)).await?;
        Ok(Self { client, context: context.to_owned(), server, kubeconfig: own })
    }

    /// Looks at what is there, what one may do, and what would be in the way; changes nothing. An error is what keeps the lab
    /// away.
    pub async fn look(&self, wish: Wish<'_>, steps: &Steps) -> Result<Plan, ContextError> {
        look::look(&self.client, &self.context, wish, steps).await
    }
}

/// Somebody's cluster, for one lab.
pub struct ContextProvider {
    lab: String,
    context: String,
    /// The lab's own, with this one context.
    kubeconfig: PathBuf,
}

impl ContextProvider {
    /// `kubeconfig` is a file of the lab's own, which whoever makes the lab has written.
    #[must_use]
    pub fn new(lab: &str, context: &str, kubeconfig: PathBuf) -> Self {
        Self { lab: lab.to_owned(), context: context.to_owned(), kubeconfig }
    }

    async fn connect(&self) -> Result<Client, ContextError> {
        Ok(Client::connect_context(Some(&self.kubeconfig), Some(&self.context)).await?)
    }

    async fn find(&self) -> Result<Outcome, ContextError> {
        let version = self.connect().await?.version().await;
        let version = version.map_err(|source| ContextError::NoAnswer { context: self.context.clone(), source })?;
        Ok(Outcome { detail: format!("{}, Kubernetes {version}", self.context), unchanged: true })
    }

    async fn remove(&self, steps: &Steps) -> Result<(), ContextError> {
        // Its credentials are the first thing that is written: without them nothing was made.
        if !self.kubeconfig.exists() {
            return Ok(());
        }
        let client = self.connect().await?;
        let found = client.version().await;
        found.map_err(|source| ContextError::NoAnswer { context: self.context.clone(), source })?;
        remove::remove(&client, &self.lab, steps).await
    }
}

impl Provider for ContextProvider {
    fn provision<'a>(&'a self, steps: &'a Steps) -> BoxFuture<'a, Result<Cluster, ProviderError>> {
        async {
            steps.step("cluster", self.find()).await?;
            Ok(Cluster { kubeconfig: self.kubeconfig.clone(), context: self.context.clone(), awaits: Vec::new() })
        }
        .boxed()
    }

    fn bring_images(&self, images: Vec<Wanted>) -> Act {
        let detail =
            if images.is_empty() { "none".to_owned() } else { format!("{} left for the nodes to pull", images.len()) };
        let outcome = Outcome { detail, unchanged: true };
        Box::new(move || async move { Ok(outcome) }.boxed())
    }

    fn delete<'a>(&'a self, steps: &'a Steps) -> BoxFuture<'a, Result<(), ProviderError>> {
        async { Ok(self.remove(steps).await?) }.boxed()
    }

    fn evidence<'a>(&'a self, _folder: &'a Path) -> BoxFuture<'a, Result<(), ProviderError>> {
        // Everything that can be seen of such a cluster is its objects and logs.
        async { Ok(()) }.boxed()
    }
}

//! The program: follows the cluster, listens, and ends when it is told to.

use super::backends::ClusterBackends;
use super::carry::carry;
use super::{answer_gateways, follow_routes};
use crate::cluster::{Client, ConnectError};
use crate::sys::clock::Clock;
use crate::sys::rng::Seed;
use crate::traffic::router::{ControllerIdentity, METRICS_PORT, Router};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use std::future::IntoFuture;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long requests under way may take once the program has been told to end.
const DRAIN: Duration = Duration::from_secs(10);

/// Where a router listens, and for which cluster.
#[derive(Debug, Clone)]
pub struct Edge {
    /// Where requests enter.
    pub listen: SocketAddr,
    /// Where `/metrics` and `/healthz` are.
    pub metrics: SocketAddr,
    /// None: the cluster that this process is a pod of.
    pub kubeconfig: Option<PathBuf>,
    /// None: the kubeconfig's current context.
    pub context: Option<String>,
    /// What the metrics say of the pod, where it is known.
    pub pod: Option<String>,
    pub namespace: Option<String>,
}

/// Why a router does not run.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    #[error("there is no cluster to route for: {0}")]
    Cluster(#[from] ConnectError),
    #[error("{address} cannot be listened on: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("a listener broke: {0}")]
    Broke(#[from] io::Error),
}

/// Carries requests until `stop`, and then those that are under way, for a while.
pub async fn serve(edge: &Edge, stop: CancellationToken) -> Result<(), EdgeError> {
    let cluster = match &edge.kubeconfig {
        Some(file) => Client::connect_context(Some(file), edge.context.as_deref()).await?,
        None => Client::connect_in_cluster()?,
    };
    let clock = Clock::wall();
    let backends = ClusterBackends::new();
    // Two routers draw different lots.
    let rng = Seed(clock.now().as_nanosecond() as u64).stream("router");
    let router = Router::new(&identity(edge), "", Arc::new(backends.clone()), clock, rng);
    let (complete, is_complete) = watch::channel(false);
    // They end with this function.
    let mut following = JoinSet::new();
    following.spawn(backends.follow(cluster.clone(), complete));
    following.spawn(follow_routes(cluster.clone(), router.clone()));
    following.spawn(answer_gateways(cluster, clock));
    let metrics = axum::Router::new().fallback(tell).with_state((router.clone(), is_complete));
    let carry = carry(bind(edge.listen).await?, router, stop.clone());
    let metrics =
        axum::serve(bind(edge.metrics).await?, metrics).with_graceful_shutdown(stop.clone().cancelled_owned());
    let both = async { tokio::join!(carry, metrics.into_future()).1 };
    let drained = async {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        biased;
        ended = both => Ok(ended?),
        () = drained => Ok(()),
    }
}

fn identity(edge: &Edge) -> ControllerIdentity {
    let mut identity = ControllerIdentity::default();
    if let Some(pod) = &edge.pod {
        identity.pod.clone_from(pod);
    }
    if let Some(namespace) = &edge.namespace {
        identity.namespace.clone_from(namespace);
    }
    identity
}

async fn bind(address: SocketAddr) -> Result<TcpListener, EdgeError> {
    TcpListener::bind(address).await.map_err(|source| EdgeError::Listen { address, source })
}

/// Metrics, and health: not before the cluster has been read, so that nobody is sent here too early.
async fn tell(State((router, is_complete)): State<(Router, watch::Receiver<bool>)>, request: Request) -> Response {
    if request.uri().path() == "/healthz" && !*is_complete.borrow() {
        return (StatusCode::SERVICE_UNAVAILABLE, "the cluster's Services have not been read yet\n").into_response();
    }
    match router.handle(METRICS_PORT, request.map(|_: Body| Bytes::new())).await {
        Ok(answer) => answer.map(Body::from).into_response(),
        Err(error) => (StatusCode::BAD_GATEWAY, format!("{error}\n")).into_response(),
    }
}

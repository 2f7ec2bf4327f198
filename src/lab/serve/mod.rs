//! The lab on loopback: its endpoints as servers that kubectl, Grafana, Flagger or a browser can reach.
//!
//! The Kubernetes API is served over TLS with a CA and a token of this lab; the Prometheus API, the router's entry and the
//! canary controller's metrics are plain HTTP, as they are in a cluster. Every server listens on 127.0.0.1 and nowhere
//! else, has limits with names ([`connection`], [`impatient`]), and ends all its connections when it is stopped.

mod connection;
mod forward;
mod impatient;
mod kubeconfig;
mod tls;

pub use tls::TlsError;

pub(crate) use forward::{proxy, to_address, to_controller};

use crate::sys::clock::Clock;
use crate::sys::rng::secret;
use axum::Router;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use tls::Tls;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// Where the servers listen on 127.0.0.1; 0 is any free port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ports {
    pub kubernetes: u16,
    pub prometheus: u16,
    pub entry: u16,
    /// The built-in controller's metrics; a lab without that controller does not listen here.
    pub metrics: u16,
    /// The proxy into the cluster's network; a lab with a controller of its own does not listen here.
    pub network: u16,
}

/// Where the servers of a lab are, and what their clients need.
#[derive(Clone)]
pub struct Served {
    pub kubernetes: SocketAddr,
    pub prometheus: SocketAddr,
    pub entry: SocketAddr,
    /// None where the lab has no controller of its own.
    pub metrics: Option<SocketAddr>,
    /// An HTTP proxy into the cluster's network, where `http://flagger-loadtester.test` is a name. Webhooks and metric
    /// providers have such names, so a Flagger outside the cluster takes it as its `HTTP_PROXY`. None where the lab has a
    /// controller of its own.
    pub network: Option<SocketAddr>,
    /// The certificate of the Kubernetes API's CA, PEM.
    pub ca: String,
    /// The bearer token of the Kubernetes API's administrator. It is drawn from the machine's randomness, never the seed.
    pub token: String,
}

/// Why the servers could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("{what} cannot listen on 127.0.0.1:{port}: {source}")]
    Listen { what: &'static str, port: u16, source: io::Error },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("the machine gives no random numbers for a token: {0}")]
    Secret(String),
}

/// Ports that are ours and not answered yet: a lab finds out that one is taken before it makes anything.
pub(crate) struct Bound {
    kubernetes: TcpListener,
    prometheus: TcpListener,
    entry: TcpListener,
    metrics: Option<TcpListener>,
    network: Option<TcpListener>,
    tls: Tls,
    token: String,
}

/// What answers on each port.
pub(crate) struct Answers {
    pub kubernetes: Router,
    pub prometheus: Router,
    pub entry: Router,
    pub metrics: Router,
    pub network: Router,
}

impl Bound {
    /// `own_controller`: whether the lab has a controller, whose metrics are served; otherwise somebody else's needs a way
    /// into the cluster's network.
    pub(crate) async fn new(ports: Ports, own_controller: bool, clock: Clock) -> Result<Self, ServeError> {
        let (metrics, network) = if own_controller {
            (Some(listen("the controller's metrics", ports.metrics).await?), None)
        } else {
            (None, Some(listen("the proxy into the cluster's network", ports.network).await?))
        };
        Ok(Self {
            kubernetes: listen("the Kubernetes API", ports.kubernetes).await?,
            prometheus: listen("the Prometheus API", ports.prometheus).await?,
            entry: listen("the entry for requests", ports.entry).await?,
            metrics,
            network,
            tls: Tls::new(clock)?,
            token: secret().map_err(|it| ServeError::Secret(it.to_string()))?,
        })
    }

    /// Begins to answer; `answers` gets the token that opens the Kubernetes API.
    pub(crate) fn serve(self, answers: impl FnOnce(&str) -> Answers) -> Result<Servers, ServeError> {
        let answers = answers(&self.token);
        let served = Served {
            kubernetes: address(&self.kubernetes)?,
            prometheus: address(&self.prometheus)?,
            entry: address(&self.entry)?,
            metrics: self.metrics.as_ref().map(address).transpose()?,
            network: self.network.as_ref().map(address).transpose()?,
            ca: self.tls.ca,
            token: self.token,
        };
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        let acceptor = TlsAcceptor::from(self.tls.config);
        tasks.spawn(connection::serve(self.kubernetes, Some(acceptor), answers.kubernetes, stop.clone()));
        tasks.spawn(connection::serve(self.prometheus, None, answers.prometheus, stop.clone()));
        tasks.spawn(connection::serve(self.entry, None, answers.entry, stop.clone()));
        if let Some(metrics) = self.metrics {
            tasks.spawn(connection::serve(metrics, None, answers.metrics, stop.clone()));
        }
        if let Some(network) = self.network {
            tasks.spawn(connection::serve(network, None, answers.network, stop.clone()));
        }
        Ok(Servers { served, tasks, stop })
    }
}

async fn listen(what: &'static str, port: u16) -> Result<TcpListener, ServeError> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    bound.map_err(|source| ServeError::Listen { what, port, source })
}

fn address(listener: &TcpListener) -> Result<SocketAddr, ServeError> {
    listener.local_addr().map_err(|source| ServeError::Listen { what: "a server", port: 0, source })
}

/// Running servers. Dropping them cuts every connection.
pub(crate) struct Servers {
    served: Served,
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl Servers {
    pub(crate) fn served(&self) -> &Served {
        &self.served
    }

    /// Nobody is let in any more; who is in the middle of an answer gets it.
    pub(crate) fn close(&self) {
        self.stop.cancel();
    }

    /// Waits until all have left, which [`Servers::close`] has asked them to; who stays too long is cut off.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

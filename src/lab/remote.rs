//! A lab that somebody else made: a Kubernetes API by kubeconfig, and addresses of the other two endpoints.
//!
//! What has an address of its own is spoken to there. What is a Service only is reached through the Kubernetes API:
//! Prometheus through the API's proxy (few requests, each a question), the entry through port-forwards (many requests on
//! few connections).

use super::{Endpoint, Lab};
use crate::cluster::{Client, ClusterError, ConnectError, ForwardError};
use crate::home::{Endpoints, LabName};
use crate::sys::clock::Clock;
use crate::sys::direct::Direct;
use crate::sys::http::{Http, HttpError, Request, Response, SharedHttp};
use crate::sys::outside::Outside;
use crate::sys::pool::Pool;
use futures_util::future::BoxFuture;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How to reach a lab.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reach {
    /// What people call it.
    pub name: String,
    /// The user's own kubeconfig where it is none.
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's current context where it is none.
    pub context: Option<String>,
    pub prometheus: Option<Address>,
    /// Where users' requests enter.
    pub entry: Option<Address>,
}

/// Where one endpoint is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// Reachable from here: `http://127.0.0.1:9090`.
    Url(String),
    /// A Service of the cluster.
    Service { namespace: String, name: String, port: u16 },
}

/// Why a lab cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the Kubernetes API of lab {lab} does not answer: {source}. Is the lab up?")]
    NoAnswer { lab: String, source: ClusterError },
    #[error("lab {lab} is written down with an address that is none: {why}")]
    Address { lab: String, why: String },
    #[error("lab {lab} has no {endpoint}, and a run needs one")]
    Missing { lab: String, endpoint: &'static str },
    #[error("requests cannot enter lab {lab}: {source}")]
    Forward { lab: String, source: ForwardError },
}

/// A lab that is up. Dropping it ends its port-forwards and nothing of the lab.
pub struct Remote {
    lab: Lab,
}

impl Reach {
    /// A lab that is written down. Its addresses can be Services too: see [`Address`].
    pub fn of(name: &LabName, endpoints: &Endpoints) -> Result<Self, RemoteError> {
        let address = |text: &str| {
            let bad = |why| RemoteError::Address { lab: name.to_string(), why };
            text.parse().map(Some).map_err(bad)
        };
        Ok(Self {
            name: name.to_string(),
            kubeconfig: Some(endpoints.kubernetes.kubeconfig.clone()),
            context: Some(endpoints.kubernetes.context.clone()),
            prometheus: address(&endpoints.prometheus)?,
            entry: address(&endpoints.entry)?,
        })
    }

    /// A context of the user's own kubeconfig; the current one where it is none. It is called by its context.
    pub fn of_context(context: Option<&str>) -> Result<Self, ConnectError> {
        let name = context.map_or_else(|| Client::current_context(None), |it| Ok(it.to_owned()))?;
        Ok(Self { context: Some(name.clone()), name, ..Self::default() })
    }

    /// A client of the Kubernetes API.
    pub async fn kubernetes(&self) -> Result<Client, ConnectError> {
        Client::connect_context(self.kubeconfig.as_deref(), self.context.as_deref()).await
    }
}

impl Address {
    /// The endpoint, where it is reached without keeping anything open.
    #[must_use]
    pub fn endpoint(&self, kubernetes: &Client) -> Endpoint {
        match self {
            Self::Url(url) => over_sockets(url),
            Self::Service { namespace, name, port } => Endpoint {
                http: Arc::new(ByProxy(kubernetes.clone())),
                address: format!("http://{name}.{namespace}:{port}"),
            },
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Url(url) => f.write_str(url),
            Self::Service { namespace, name, port } => write!(f, "{namespace}/{name}:{port}"),
        }
    }
}

/// Reads `http://…`, or `NAMESPACE/SERVICE:PORT`.
impl std::str::FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is no address: write http://HOST:PORT, or NAMESPACE/SERVICE:PORT");
        if text.starts_with("http://") || text.starts_with("https://") {
            let uri: http::Uri = text.parse().map_err(|_| bad())?;
            return uri.host().map(|_| Self::Url(text.trim_end_matches('/').to_owned())).ok_or_else(bad);
        }
        let (namespace, rest) = text.split_once('/').ok_or_else(bad)?;
        let (name, port) = rest.split_once(':').ok_or_else(bad)?;
        let port = port.parse().map_err(|_| bad())?;
        if namespace.is_empty() || name.is_empty() || name.contains('/') {
            return Err(bad());
        }
        Ok(Self::Service { namespace: namespace.to_owned(), name: name.to_owned(), port })
    }
}

impl Remote {
    /// Connects to all three endpoints, and asks the Kubernetes API whether it is there. Must be called inside a tokio
    /// runtime with sockets.
    pub async fn connect(reach: &Reach, clock: Clock) -> Result<Self, RemoteError> {
        let lab = || reach.name.clone();
        let kubernetes = reach.kubernetes().await?;
        kubernetes.greet().await.map_err(|source| RemoteError::NoAnswer { lab: lab(), source })?;
        let missing = |endpoint| RemoteError::Missing { lab: lab(), endpoint };
        let prometheus = reach.prometheus.as_ref().ok_or_else(|| missing("Prometheus"))?.endpoint(&kubernetes);
        let entry = match reach.entry.as_ref().ok_or_else(|| missing("address for requests"))? {
            Address::Url(url) => over_sockets(url),
            Address::Service { namespace, name, port } => {
                let tunnels = kubernetes.tunnels(namespace, name, *port).await;
                let tunnels = tunnels.map_err(|source| RemoteError::Forward { lab: lab(), source })?;
                Endpoint { http: Arc::new(Pool::new(tunnels)), address: format!("http://{name}.{namespace}:{port}") }
            }
        };
        Ok(Self { lab: Lab { name: reach.name.clone(), clock, kubernetes, prometheus, entry } })
    }

    /// The three endpoints.
    #[must_use]
    pub fn lab(&self) -> Lab {
        self.lab.clone()
    }
}

/// Addresses of this machine are never asked for through a proxy of the environment.
fn over_sockets(url: &str) -> Endpoint {
    let uri: http::Uri = url.parse().unwrap_or_default();
    let here = uri.host().is_some_and(crate::cluster::is_loopback);
    let http: SharedHttp = match uri.scheme_str() {
        Some("http") if here => Arc::new(Direct::new()),
        _ if here => Arc::new(Outside::direct()),
        _ => Arc::new(Outside::new()),
    };
    Endpoint { http, address: url.to_owned() }
}

/// Sends to `http://SERVICE.NAMESPACE:PORT` through the Kubernetes API's proxy.
struct ByProxy(Client);

impl Http for ByProxy {
    fn send(&self, request: Request, timeout: Duration) -> BoxFuture<'static, Result<Response, HttpError>> {
        let client = self.0.clone();
        Box::pin(async move {
            let host = request.uri().host().unwrap_or_default().to_owned();
            let port = request.uri().port_u16().unwrap_or(80);
            let Some((name, namespace)) = host.split_once('.') else {
                return Err(HttpError::NoSuchHost { host });
            };
            let answer = tokio::time::timeout(timeout, client.service_request(namespace, name, port, request)).await;
            match answer {
                Err(_) => Err(HttpError::Timeout),
                Ok(answer) => answer.map_err(|error| HttpError::Other(error.to_string())),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_url_or_a_service() {
        let service = Address::Service { namespace: "flagger-system".into(), name: "prometheus".into(), port: 9090 };
        for (text, address) in [
            ("http://127.0.0.1:9090/", Address::Url("http://127.0.0.1:9090".to_owned())),
            ("https://prometheus.example.com/path", Address::Url("https://prometheus.example.com/path".to_owned())),
            ("flagger-system/prometheus:9090", service),
        ] {
            assert_eq!(text.parse(), Ok(address), "{text}");
        }
        for bad in ["", "prometheus", "http://", "a/b", "a/b:x", "/b:1", "a/:1", "a/b/c:1", "a/b:99999"] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }
}

//! Ways to a Kubernetes API.

use crate::cluster::Client;
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};
use std::path::Path;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("`{url}` is not the address of a Kubernetes API: {why}")]
    Address { url: String, why: String },
    #[error("the kubeconfig cannot be used: {0}")]
    Kubeconfig(String),
    #[error("the kubeconfig has no context `{context}`{}", and_it_has(.others))]
    NoContext { context: String, others: Vec<String> },
    #[error("this process is no pod of a cluster: {0}")]
    NotInCluster(String),
    #[error("no client for the Kubernetes API at {address}: {why}")]
    Client { address: String, why: String },
}

fn and_it_has(names: &[String]) -> String {
    if names.is_empty() { "; it has none".to_owned() } else { format!("; it has {}", names.join(", ")) }
}

/// One context of a kubeconfig.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extract {
    /// A kubeconfig's text, credentials in it.
    pub kubeconfig: String,
    /// The cluster's address.
    pub server: String,
}

impl Client {
    /// A client of the API that `router` serves, in this process: no socket, no TLS, at home on a paused clock.
    ///
    /// Must be called inside a tokio runtime.
    #[must_use]
    pub fn in_process(router: axum::Router) -> Self {
        Self::over(kube::Client::new(router, "default"))
    }

    /// A client of a plain HTTP address without credentials, such as the embedded API server's own on loopback.
    pub fn connect_url(url: &str) -> Result<Self, ConnectError> {
        let address = url.parse().map_err(|why: http::uri::InvalidUri| ConnectError::Address {
            url: url.to_owned(),
            why: why.to_string(),
        })?;
        let mut config = Config::new(address);
        // With no certificates given, kube asks the machine for its own even for http, and fails where it has none.
        config.root_cert = Some(Vec::new());
        Self::from_config(config)
    }

    /// A client of one context of a kubeconfig file; the default file where `path` is none, the current context where
    /// `context` is none. Never the in-cluster fallback: a lab must not come out somewhere else than it was sent.
    pub async fn connect_context(path: Option<&Path>, context: Option<&str>) -> Result<Self, ConnectError> {
        let read = path.map_or_else(Kubeconfig::read, Kubeconfig::read_from);
        let kubeconfig = read.map_err(|why| ConnectError::Kubeconfig(why.to_string()))?;
        let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        Self::from_config(config.map_err(|why| ConnectError::Kubeconfig(why.to_string()))?)
    }

    /// The name of a kubeconfig's current context.
    pub fn current_context(path: Option<&Path>) -> Result<String, ConnectError> {
        let read = path.map_or_else(Kubeconfig::read, Kubeconfig::read_from);
        let kubeconfig = read.map_err(|why| ConnectError::Kubeconfig(why.to_string()))?;
        let none = || ConnectError::Kubeconfig("it has no current context: kubectl config use-context NAME".to_owned());
        kubeconfig.current_context.filter(|it| !it.is_empty()).ok_or_else(none)
    }

    /// One context of a kubeconfig, as a kubeconfig of its own in which it is the current one. Files that it names are named
    /// by absolute paths; programs that give credentials stay programs.
    pub fn extract(path: Option<&Path>, context: &str) -> Result<Extract, ConnectError> {
        let read = path.map_or_else(Kubeconfig::read, Kubeconfig::read_from);
        let mut whole = read.map_err(|why| ConnectError::Kubeconfig(why.to_string()))?;
        let names: Vec<String> = whole.contexts.iter().map(|it| it.name.clone()).collect();
        let found = whole.contexts.iter().find(|it| it.name == context).and_then(|it| it.context.clone());
        let Some(found) = found else {
            return Err(ConnectError::NoContext { context: context.to_owned(), others: names });
        };
        whole.contexts.retain(|it| it.name == context);
        whole.clusters.retain(|it| it.name == found.cluster);
        whole.auth_infos.retain(|it| Some(&it.name) == found.user.as_ref());
        whole.current_context = Some(context.to_owned());
        let server = whole.clusters.first().and_then(|it| it.cluster.as_ref()?.server.clone()).unwrap_or_default();
        let kubeconfig = serde_json::to_string_pretty(&whole);
        let kubeconfig = kubeconfig.map_err(|why| ConnectError::Kubeconfig(why.to_string()))? + "\n";
        Ok(Extract { kubeconfig, server })
    }

    /// The address of a context's cluster, for people; none where the file does not say one.
    #[must_use]
    pub fn server(path: &Path, context: &str) -> Option<String> {
        let kubeconfig = Kubeconfig::read_from(path).ok()?;
        let context = kubeconfig.contexts.into_iter().find(|it| it.name == context)?.context?;
        let cluster = kubeconfig.clusters.into_iter().find(|it| it.name == context.cluster)?.cluster?;
        cluster.server
    }

    /// A client of the cluster that this process is a pod of, with its service account's token.
    pub fn connect_in_cluster() -> Result<Self, ConnectError> {
        Self::from_config(Config::incluster().map_err(|why| ConnectError::NotInCluster(why.to_string()))?)
    }

    fn from_config(mut config: Config) -> Result<Self, ConnectError> {
        // Another provider may have been installed already; then there is one, and that is all that is needed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        config.default_retry = false;
        // kube takes HTTPS_PROXY also for loopback, and does not look for the cluster in NO_PROXY.
        if config.cluster_url.host().is_some_and(is_loopback) {
            config.proxy_url = None;
        }
        let address = config.cluster_url.to_string();
        let client = kube::Client::try_from(config);
        client.map(Self::over).map_err(|why| ConnectError::Client { address, why: why.to_string() })
    }
}

/// Whether a host name or address means this machine.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|it| it.is_loopback())
}

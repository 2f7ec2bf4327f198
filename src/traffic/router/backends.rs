//! What the router needs of the cluster: which pods stand behind a Service, and a way to reach one.

use crate::sys::http::{HttpError, Request, Response};
use futures_util::future::BoxFuture;
use std::fmt;
use std::sync::Arc;

/// A port of a Service, as Ingress backends and HTTPRoutes name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServicePort {
    Number(u16),
    Name(String),
}

impl fmt::Display for ServicePort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// One ready pod behind a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `10.244.0.7:9898`: what is sent to, and what errors name.
    pub address: String,
    /// The pod's name.
    pub pod: String,
}

/// The pods of the cluster, as seen by the router.
pub trait Backends: Send + Sync {
    /// The ready endpoints of a Service's port, in a stable order; none when the Service does not exist or has none.
    /// It is asked for every request, so it should hand out what it has already resolved.
    fn endpoints(&self, namespace: &str, service: &str, port: &ServicePort) -> Arc<[Endpoint]>;

    /// Sends a request to one endpoint, and waits as long as it takes: the router has its own time limits. Dropping the
    /// future breaks the connection.
    fn send(&self, endpoint: &Endpoint, request: Request) -> BoxFuture<'static, Result<Response, HttpError>>;
}

//! Which backend a request is for. Pure: randomness and the state of backends are asked of the caller.
//!
//! **Ingress** as ingress-nginx 1.15 decides:
//! - Hosts: exact, then wildcard (one label), then rules without a host. A host that is known and a path that is not give
//!   404; other hosts' rules are not tried.
//! - Paths: `Exact`, then the longest prefix. `Prefix` matches whole segments, `ImplementationSpecific` any prefix. Where an
//!   Ingress of the host has `use-regex` or `rewrite-target`, all its paths are case-insensitive regular expressions,
//!   longest first.
//! - The same host and path twice: the older Ingress wins, then namespace and name.
//! - Canary Ingresses are no routes. Their backend becomes the *alternative* of the main Ingress's backend with the same
//!   host, path and path type; where that backend is used by several paths, it has the alternative on all of them. Only
//!   its first alternative counts.
//! - Per request: the header rule, then the cookie, then `random(total) <= weight` with total 100 unless `weight-total` is
//!   larger. `by-header-value` and `by-header-pattern` replace `always`/`never`; what they do not match goes on to the
//!   cookie. An alternative without endpoints is never chosen.
//!
//! **HTTPRoute** as the Gateway API's specification decides: most specific host name; then exact path, regular expression,
//! longest prefix; method; most headers; most query parameters; older route; name; order of rules. (Where the
//! specification leaves regular expressions open, this is what Envoy Gateway does.)
//!
//! Where both have rules for a host name, the more specific pattern wins, then the Ingress.
//!
//! In: Kubernetes objects as JSON, and requests. Out: a [`Decision`], and [`Problem`]s for what cannot be used.
//! Never: sending, waiting, counting.

mod annotations;
mod canary;
mod filter;
mod gateway;
mod host;
mod httproute;
mod ingress;
mod location;
#[cfg(test)]
mod tests;

pub use annotations::{NextUpstream, ProxyPolicy};
pub use canary::CanaryRule;
pub use filter::{Filter, HeaderEdit, Mirror, PathRewrite, Redirect};
pub use host::request_host;

use crate::sys::http::Request;
use crate::traffic::router::ServicePort;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// A Service's port as the target of routes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Backend {
    pub namespace: String,
    pub service: String,
    pub port: ServicePort,
}

/// ingress-nginx' name of an upstream: `test-podinfo-canary-80`.
impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.namespace, self.service, self.port)
    }
}

/// A part of an object that cannot be used, in a sentence that names the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// `Ingress podinfo in test`.
    pub object: String,
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.object, self.message)
    }
}

/// What the metrics of a request are labelled with: the main Ingress and the rule in it that the request is for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IngressLabels {
    pub namespace: String,
    pub ingress: String,
    /// The main Ingress's Service, also for requests that go to the alternative.
    pub service: String,
    /// The rule's path.
    pub path: String,
}

/// What is to be done with a request.
#[derive(Debug, Clone)]
pub enum Decision {
    /// An Ingress: send it to `backend`.
    Ingress(IngressChoice),
    /// An HTTPRoute: filters, then a backend.
    Gateway(GatewayChoice),
    /// No rule matches. `known_host` says whether an Ingress names the host.
    NotFound { known_host: bool },
}

/// An Ingress's answer.
#[derive(Debug, Clone)]
pub struct IngressChoice {
    pub labels: Arc<IngressLabels>,
    pub policy: Arc<ProxyPolicy>,
    pub backend: Arc<Backend>,
    /// Whether `backend` is the alternative: the canary.
    pub alternative: bool,
    /// Whether the host stands in an Ingress as it is: ingress-nginx keeps metrics of such hosts only.
    pub exact_host: bool,
    /// The path to ask the backend for, where it is rewritten.
    pub path: Option<String>,
}

/// An HTTPRoute's answer.
#[derive(Debug, Clone)]
pub struct GatewayChoice {
    pub rule: Arc<gateway::Rule>,
    /// Index into the rule's backends; none where all weights are 0 or there are no backends.
    pub backend: Option<usize>,
    /// The prefix that matched, for filters that replace it.
    pub prefix: Option<String>,
}

pub use gateway::{Rule, WeightedBackend};

/// What a decision asks of the world.
pub trait World {
    /// A number from 1 to `total`, evenly; `total` is at least 1.
    fn draw(&mut self, total: u32) -> u32;
    /// Whether the backend has an endpoint.
    fn has_endpoints(&mut self, backend: &Backend) -> bool;
}

/// All routes, ready to be asked. Made anew when an object changes.
#[derive(Debug, Clone, Default)]
pub struct RouteTable {
    ingresses: ingress::Ingresses,
    routes: gateway::Routes,
}

impl RouteTable {
    /// Builds the table from Ingresses (`networking.k8s.io/v1`) and HTTPRoutes (`gateway.networking.k8s.io`), in any
    /// order. What cannot be used is left out and told.
    pub fn from_objects<'a>(
        ingresses: impl IntoIterator<Item = &'a Value>,
        httproutes: impl IntoIterator<Item = &'a Value>,
    ) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let table = Self {
            ingresses: ingress::build(ingresses, &mut problems),
            routes: httproute::build(httproutes, &mut problems),
        };
        (table, problems)
    }

    /// Decides about one request.
    pub fn decide(&self, request: &Request, world: &mut dyn World) -> Decision {
        let host = request_host(request);
        let (server, route_host) = (self.ingresses.server(&host), self.routes.host(&host));
        let by_route = match (&server, &route_host) {
            (Some(server), Some(route)) => route.specificity() > server.host.specificity(),
            (None, Some(_)) => true,
            _ => false,
        };
        if by_route && let Some(pattern) = route_host {
            let found = self.routes.find(pattern, request, world);
            return found.map_or(Decision::NotFound { known_host: false }, Decision::Gateway);
        }
        let Some(server) = server else { return Decision::NotFound { known_host: false } };
        let found = self.ingresses.find(server, request, world);
        found.map_or(Decision::NotFound { known_host: server.host.is_exact() }, Decision::Ingress)
    }

    /// Namespace and name of every main Ingress.
    pub fn ingress_names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.ingresses.names.iter().map(|(namespace, name)| (namespace.as_str(), name.as_str()))
    }

    /// The first host name of the Ingresses or the routes, for clients that name none.
    pub fn first_host(&self) -> Option<&str> {
        self.ingresses.first_host().or_else(|| self.routes.first_host())
    }
}

//! Behind ingress-nginx' image: the router, following the cluster's Ingresses and HTTPRoutes.

use super::Parts;
use super::part::Part;
use crate::edge::follow_routes;
use crate::lab::network::Network;
use crate::sys::http::{HttpError, Request, Response};
use crate::traffic::router::{Backends, ControllerIdentity, Endpoint, Router, ServicePort};
use crate::workload;
use crate::workload::runtime::{ContainerSpec, Process};
use futures_util::future::{BoxFuture, FutureExt};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

pub(crate) fn start(parts: &Parts, container: &ContainerSpec) -> Arc<dyn Process> {
    let backends = Arc::new(ClusterBackends(parts.network.clone()));
    let rng = parts.seed.stream(&format!("router/{}/{}", container.pod, container.restart));
    let identity = ControllerIdentity {
        namespace: container.namespace.clone(),
        pod: container.pod.clone(),
        ..ControllerIdentity::default()
    };
    let router = Router::new(&identity, "", backends, parts.clock, rng);
    // A line for each request costs a tenth of a simulated run, which nobody can look into while it runs.
    if !parts.clock.is_simulated() {
        router.log_to(container.output.clone());
    }
    let stopped = CancellationToken::new();
    let follow = follow_routes(parts.kubernetes.clone(), router.clone());
    let ends = stopped.clone();
    tokio::spawn(async move { ends.run_until_cancelled(follow).await });
    Part::new(Arc::new(move |port, request| router.handle(port, request)), stopped)
}

/// The router's view of Services and pods.
struct ClusterBackends(Network);

impl Backends for ClusterBackends {
    fn endpoints(&self, namespace: &str, service: &str, port: &ServicePort) -> Arc<[Endpoint]> {
        let ready = self.0.endpoints().and_then(|known| match port {
            ServicePort::Number(port) => known.ready(namespace, service, *port),
            ServicePort::Name(name) => known.ready_named(namespace, service, name),
        });
        let endpoint =
            |it: &workload::Endpoint| Endpoint { address: format!("{}:{}", it.ip, it.port), pod: it.pod.clone() };
        ready.iter().flat_map(|it| it.iter()).map(endpoint).collect()
    }

    fn send(&self, endpoint: &Endpoint, request: Request) -> BoxFuture<'static, Result<Response, HttpError>> {
        match endpoint.address.rsplit_once(':').and_then(|(ip, port)| Some((ip, port.parse().ok()?))) {
            Some((ip, port)) => self.0.to_ip(ip, port, request),
            None => {
                let address = endpoint.address.clone();
                async { Err(HttpError::Refused { address }) }.boxed()
            }
        }
    }
}

//! Behind ingress-nginx' image: the router, following the cluster's Ingresses and HTTPRoutes.

use super::Parts;
use super::part::Part;
use crate::cluster::{Client, Watched};
use crate::lab::network::Network;
use crate::sys::http::{HttpError, Request, Response};
use crate::traffic::route::RouteTable;
use crate::traffic::router::{Backends, ControllerIdentity, Endpoint, Router, ServicePort};
use crate::workload;
use crate::workload::runtime::{ContainerSpec, Process};
use futures_util::StreamExt;
use futures_util::future::{BoxFuture, FutureExt};
use serde_json::Value;
use std::collections::BTreeMap;
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
    router.log_to(container.output.clone());
    let stopped = CancellationToken::new();
    let follow = follow_routes(parts.kubernetes.clone(), router.clone());
    let ends = stopped.clone();
    tokio::spawn(async move { ends.run_until_cancelled(follow).await });
    Part::new(Arc::new(move |port, request| router.handle(port, request)), stopped)
}

/// Objects of one kind, by namespace and name.
type Objects = BTreeMap<(String, String), Value>;

/// Gives the router a new table with every change of an Ingress or HTTPRoute.
async fn follow_routes(cluster: Client, router: Router) {
    let watch = |api_version, kind| cluster.watch(api_version, kind, None, None);
    let mut ingresses = watch("networking.k8s.io/v1", "Ingress");
    let mut routes = watch("gateway.networking.k8s.io/v1", "HTTPRoute");
    let (mut known_ingresses, mut known_routes) = (Objects::new(), Objects::new());
    loop {
        tokio::select! {
            biased;
            Some(change) = ingresses.next() => take(&mut known_ingresses, change),
            Some(change) = routes.next() => take(&mut known_routes, change),
            else => return,
        }
        // What cannot be used is left out, as ingress-nginx does.
        let (table, _problems) = RouteTable::from_objects(known_ingresses.values(), known_routes.values());
        router.set_table(table);
    }
}

fn take(known: &mut Objects, change: Watched) {
    let key = |it: &Value| {
        let it = crate::model::object::ObjectRef::of(it);
        (it.namespace, it.name)
    };
    match change {
        Watched::Applied(object) => {
            known.insert(key(&object), object);
        }
        Watched::Deleted(object) => {
            known.remove(&key(&object));
        }
        Watched::Restarted(objects) => *known = objects.into_iter().map(|it| (key(&it), it)).collect(),
    }
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

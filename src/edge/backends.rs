//! Which pods stand behind a Service's port, from Services and EndpointSlices.

use super::routes::{Objects, take};
use crate::cluster::Client;
use crate::sys::direct::Direct;
use crate::sys::http::{HttpError, Request, Response};
use crate::traffic::router::{Backends, Endpoint, ServicePort};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::watch;

/// Which Service an EndpointSlice belongs to.
const SERVICE_LABEL: &str = "kubernetes.io/service-name";

/// Ready endpoints by namespace, Service and port.
type Known = BTreeMap<String, BTreeMap<String, Vec<(ServicePort, Arc<[Endpoint]>)>>>;

/// The cluster's pods, as the router sees them. Clones are one view.
#[derive(Clone)]
pub(super) struct ClusterBackends {
    known: Arc<RwLock<Arc<Known>>>,
    pods: Direct,
}

impl ClusterBackends {
    pub(super) fn new() -> Self {
        Self { known: Arc::default(), pods: Direct::new() }
    }

    /// Keeps the view up to date; `complete` becomes true once Services and slices have both been listed.
    pub(super) async fn follow(self, cluster: Client, complete: watch::Sender<bool>) {
        let mut services = cluster.watch("v1", "Service", None, None);
        let mut slices = cluster.watch("discovery.k8s.io/v1", "EndpointSlice", None, None);
        let (mut known_services, mut known_slices) = (Objects::new(), Objects::new());
        let (mut has_services, mut has_slices) = (false, false);
        loop {
            tokio::select! {
                biased;
                Some(change) = services.next() => {
                    take(&mut known_services, change);
                    has_services = true;
                }
                Some(change) = slices.next() => {
                    take(&mut known_slices, change);
                    has_slices = true;
                }
                else => return,
            }
            let known = Arc::new(resolve(&known_services, &known_slices));
            *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
            complete.send_replace(has_services && has_slices);
        }
    }
}

impl Backends for ClusterBackends {
    fn endpoints(&self, namespace: &str, service: &str, port: &ServicePort) -> Arc<[Endpoint]> {
        let known = Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner));
        let ports = known.get(namespace).and_then(|it| it.get(service)).map_or(&[][..], Vec::as_slice);
        ports.iter().find(|it| it.0 == *port).map_or_else(Arc::default, |it| Arc::clone(&it.1))
    }

    fn send(&self, endpoint: &Endpoint, request: Request) -> BoxFuture<'static, Result<Response, HttpError>> {
        Box::pin(self.pods.clone().exchange(endpoint.address.clone(), request))
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Each Service's ports, by number and by name, with the ready endpoints of its slices.
fn resolve(services: &Objects, slices: &Objects) -> Known {
    let mut known = Known::new();
    for ((namespace, name), service) in services {
        let own: Vec<&Value> = slices
            .iter()
            .filter(|((of, _), slice)| of == namespace && slice["metadata"]["labels"][SERVICE_LABEL] == name.as_str())
            .map(|(_, slice)| slice)
            .collect();
        let mut ports = Vec::new();
        for port in list(service, "/spec/ports") {
            let port_name = text(port, "/name");
            let ready: Arc<[Endpoint]> = ready(&own, port_name).into();
            if let Some(number) = port["port"].as_u64().and_then(|it| u16::try_from(it).ok()) {
                ports.push((ServicePort::Number(number), Arc::clone(&ready)));
            }
            if !port_name.is_empty() {
                ports.push((ServicePort::Name(port_name.to_owned()), ready));
            }
        }
        known.entry(namespace.clone()).or_default().insert(name.clone(), ports);
    }
    known
}

/// The ready endpoints of one port, in the order of their addresses: slices come in any order.
fn ready(slices: &[&Value], port_name: &str) -> Vec<Endpoint> {
    let mut all = Vec::new();
    for slice in slices {
        let ports = list(slice, "/ports").iter().filter(|it| text(it, "/name") == port_name);
        for port in ports.filter_map(|it| it["port"].as_u64()) {
            // A slice may leave the condition out, which means ready.
            let is_ready = |it: &&Value| it["conditions"]["ready"] != Value::Bool(false);
            all.extend(list(slice, "/endpoints").iter().filter(is_ready).filter_map(|it| endpoint(it, port)));
        }
    }
    all.sort_by(|a, b| a.address.cmp(&b.address));
    all.dedup();
    all
}

/// All addresses of an endpoint are the same pod.
fn endpoint(value: &Value, port: u64) -> Option<Endpoint> {
    let address = list(value, "/addresses").first()?.as_str()?;
    let address = if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") };
    Some(Endpoint { address, pod: text(value, "/targetRef/name").to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn objects(given: &[(&str, Value)]) -> Objects {
        given.iter().map(|(name, it)| (("test".to_owned(), (*name).to_owned()), it.clone())).collect()
    }

    fn slice(service: &str, endpoints: &[(&str, Option<bool>)]) -> Value {
        let endpoint = |(address, ready): &(&str, Option<bool>)| {
            let mut conditions = json!({});
            if let Some(ready) = ready {
                conditions["ready"] = json!(ready);
            }
            json!({ "addresses": [address], "conditions": conditions, "targetRef": { "name": format!("pod-{address}") } })
        };
        json!({
            "metadata": { "labels": { SERVICE_LABEL: service } },
            "ports": [{ "name": "http", "port": 9898 }, { "name": "grpc", "port": 9999 }],
            "endpoints": endpoints.iter().map(endpoint).collect::<Vec<_>>()
        })
    }

    #[test]
    fn a_port_leads_to_the_ready_endpoints_of_its_name_by_number_and_by_name() {
        let ports = json!([{ "name": "http", "port": 80, "targetPort": "http" }]);
        let services = objects(&[("web", json!({ "spec": { "ports": ports } })), ("idle", json!({ "spec": {} }))]);
        let slices = objects(&[
            ("web-b", slice("web", &[("10.0.0.3", Some(true)), ("10.0.0.2", Some(false))])),
            ("web-a", slice("web", &[("10.0.0.1", None), ("fd00::1", Some(true))])),
            ("other", slice("other", &[("10.0.0.9", Some(true))])),
        ]);
        let backends = ClusterBackends::new();
        *backends.known.write().unwrap() = Arc::new(resolve(&services, &slices));
        let addresses = |service: &str, port: ServicePort| -> Vec<String> {
            backends.endpoints("test", service, &port).iter().map(|it| it.address.clone()).collect()
        };
        let expected = ["10.0.0.1:9898", "10.0.0.3:9898", "[fd00::1]:9898"];
        assert_eq!(addresses("web", ServicePort::Number(80)), expected);
        assert_eq!(addresses("web", ServicePort::Name("http".to_owned())), expected);
        for (service, port) in [("web", 81), ("idle", 80), ("nobody", 80)] {
            assert!(addresses(service, ServicePort::Number(port)).is_empty(), "{service}:{port}");
        }
    }
}

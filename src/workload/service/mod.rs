//! Services: EndpointSlices, Endpoints, and the data plane's fast view of them.
//!
//! A pod is ready behind a Service when its condition Ready is True and it is not on its way out; readiness therefore
//! leaves the view in the moment in which the pod's deletion is seen, as it does in a real cluster (a moment later).

mod slices;
mod view;

pub use view::{Endpoint, Endpoints, PortEndpoints};

use super::client::{Client, Seen, add_all, key};
use super::events::Recorder;
use super::json::{controller_reference, is_deleting, is_finished, is_ready, name, namespace, normal, part, text, uid};
use super::names;
use super::queue::{Key, Queue, Work};
use crate::apiserver::{Status, resource};
use rand::rngs::ChaCha8Rng;
use serde_json::{Value, json};
use slices::Made;
use std::collections::BTreeMap;
use std::sync::Arc;

const SERVICE_NAME: &str = "kubernetes.io/service-name";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "endpointslice-controller.k8s.io";

pub(super) struct Controller {
    pub(super) client: Client,
    pub(super) events: Recorder,
    pub(super) queue: Queue,
    pub(super) view: Endpoints,
    /// Draws slice names.
    pub(super) rng: ChaCha8Rng,
}

impl Controller {
    pub(super) async fn run(mut self) {
        loop {
            match self.queue.next().await {
                Work::One(key) => self.sync(&key),
                Work::All => add_all(&self.client, resource::SERVICES, &self.queue),
            }
        }
    }

    fn sync(&mut self, key: &Key) {
        let Some(service) = self.client.get(resource::SERVICES, &key.namespace, &key.name) else {
            return self.forget(key);
        };
        if !slices::has_pods(&service) {
            return self.view.set(&key.namespace, &key.name, Vec::new());
        }
        let pods = self.client.list(resource::PODS, Some(&key.namespace));
        let made = slices::make(&service, &pods);
        self.view.set(&key.namespace, &key.name, made.ports.clone());
        let written = self.write_slices(key, &service, &made).and_then(|()| self.write_endpoints(key, &made));
        if let Err(error) = written {
            let message = format!("Error updating Endpoint Slices for Service {}/{}: {error}", key.namespace, key.name);
            self.events.warning(&service, "FailedToUpdateEndpointSlices", &message);
        }
    }

    /// Its slices go with the Service, which owns them; the Endpoints object has no owner.
    fn forget(&self, key: &Key) {
        self.view.remove(&key.namespace, &key.name);
        if let Some(endpoints) = self.client.get(resource::ENDPOINTS, &key.namespace, &key.name) {
            let _ = self.client.delete(resource::ENDPOINTS, &endpoints);
        }
    }

    /// Each wanted slice takes over a present one, first of those with the same ports; what is left over goes.
    fn write_slices(&mut self, key: &Key, service: &Value, made: &Made) -> Result<(), Status> {
        let ours = |it: &Arc<Value>| {
            let labels = &it["metadata"]["labels"];
            labels[SERVICE_NAME] == key.name.as_str() && labels[MANAGED_BY] == MANAGER
        };
        let all = self.client.list(resource::ENDPOINT_SLICES, Some(&key.namespace));
        let mut present: Vec<Arc<Value>> = all.into_iter().filter(ours).collect();
        for (ports, endpoints) in &made.slices {
            let same = present.iter().position(|it| normal(&it["ports"]) == normal(ports));
            let Some(at) = same.or(if present.is_empty() { None } else { Some(0) }) else {
                let name = format!("{}-{}", key.name, names::suffix(&mut self.rng));
                let slice = new_slice(service, &name, (ports, endpoints));
                self.client.create(resource::ENDPOINT_SLICES, &key.namespace, slice)?;
                continue;
            };
            let slice = present.remove(at);
            let wanted = json!({ "ports": ports, "endpoints": endpoints });
            let is = json!({ "ports": slice["ports"], "endpoints": slice["endpoints"] });
            if normal(&is) != normal(&wanted) {
                self.client.patch(resource::ENDPOINT_SLICES, &super::client::key(&slice), wanted)?;
            }
        }
        for slice in present {
            self.client.delete(resource::ENDPOINT_SLICES, &slice)?;
        }
        Ok(())
    }

    fn write_endpoints(&self, key: &Key, made: &Made) -> Result<(), Status> {
        let wanted = json!({ "subsets": made.subsets });
        match self.client.get(resource::ENDPOINTS, &key.namespace, &key.name) {
            Some(present) if normal(&part(&present, "/subsets")) == normal(&wanted["subsets"]) => Ok(()),
            Some(_) => self.client.patch(resource::ENDPOINTS, key, wanted).map(drop),
            None => {
                let endpoints = json!({
                    "apiVersion": "v1",
                    "kind": "Endpoints",
                    "metadata": {
                        "name": key.name,
                        "namespace": key.namespace,
                        "labels": { "endpoints.kubernetes.io/managed-by": "endpoint-controller" },
                    },
                    "subsets": made.subsets,
                });
                self.client.create(resource::ENDPOINTS, &key.namespace, endpoints).map(drop)
            }
        }
    }
}

fn new_slice(service: &Value, slice_name: &str, (ports, endpoints): (&Value, &Vec<Value>)) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": slice_name,
            "generateName": format!("{}-", name(service)),
            "namespace": namespace(service),
            "labels": { SERVICE_NAME: name(service), MANAGED_BY: MANAGER },
            "ownerReferences": [controller_reference(service)],
        },
        "addressType": "IPv4",
        "ports": ports,
        "endpoints": endpoints,
    })
}

/// What of a pod its Services care about.
#[derive(Debug, Clone, PartialEq)]
struct Fingerprint {
    namespace: String,
    labels: Value,
    ip: String,
    ready: bool,
    going: bool,
    finished: bool,
}

/// Turns pod events into Services to look at, and leaves out what changes nothing for them.
#[derive(Default)]
pub(super) struct PodWatch {
    known: BTreeMap<String, Fingerprint>,
}

impl PodWatch {
    pub(super) fn see(&mut self, seen: &Seen<'_>, client: &Client, queue: &Queue) {
        let before = match seen {
            Seen::Restart => {
                self.known.clear();
                return add_all(client, resource::SERVICES, queue);
            }
            Seen::Gone(pod) => self.known.remove(uid(pod)),
            Seen::Present(pod) => {
                let now = Fingerprint {
                    namespace: namespace(pod).to_owned(),
                    labels: part(pod, "/metadata/labels"),
                    ip: text(pod, "/status/podIP").to_owned(),
                    ready: is_ready(pod),
                    going: is_deleting(pod),
                    finished: is_finished(pod),
                };
                let before = self.known.insert(uid(pod).to_owned(), now.clone());
                if before.as_ref() == Some(&now) {
                    return;
                }
                enqueue(client, queue, &now);
                before.filter(|it| it.labels != now.labels)
            }
        };
        if let Some(before) = before {
            enqueue(client, queue, &before);
        }
    }
}

fn enqueue(client: &Client, queue: &Queue, pod: &Fingerprint) {
    // Without an address it can be nobody's endpoint.
    if pod.ip.is_empty() {
        return;
    }
    for service in client.list(resource::SERVICES, Some(&pod.namespace)) {
        if slices::takes(&service, &pod.labels) {
            queue.add(key(&service));
        }
    }
}

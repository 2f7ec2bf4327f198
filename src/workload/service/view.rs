//! Endpoints as the data plane wants them: who is ready behind a Service's port, without reading JSON.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One ready pod behind a Service's port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    pub pod: String,
    pub ip: String,
    /// The pod's port (`targetPort`, resolved).
    pub port: u16,
}

/// One port of a Service with its ready pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortEndpoints {
    /// Empty when the Service has one port without a name.
    pub name: String,
    /// The Service's own port.
    pub port: u16,
    /// Ordered by pod name.
    pub ready: Arc<[Endpoint]>,
}

type Services = BTreeMap<String, Vec<PortEndpoints>>;

/// The fast view, kept by the EndpointSlice controller from the same events as the slices; all clones are one view.
///
/// A look-up is two ordered-map steps and a reference count, so it may be done for each request.
#[derive(Debug, Clone, Default)]
pub struct Endpoints {
    by_namespace: Arc<Mutex<BTreeMap<String, Services>>>,
}

impl Endpoints {
    /// The ready pods behind `port` of a Service, ordered by pod name.
    ///
    /// `None`: there is no such Service, or it has no such port. An empty list: nobody is ready.
    #[must_use]
    pub fn ready(&self, namespace: &str, service: &str, port: u16) -> Option<Arc<[Endpoint]>> {
        self.find(namespace, service, |it| it.port == port)
    }

    /// The same by the port's name.
    #[must_use]
    pub fn ready_named(&self, namespace: &str, service: &str, port: &str) -> Option<Arc<[Endpoint]>> {
        self.find(namespace, service, |it| it.name == port)
    }

    /// Whether that Service exists.
    #[must_use]
    pub fn knows(&self, namespace: &str, service: &str) -> bool {
        self.lock().get(namespace).is_some_and(|services| services.contains_key(service))
    }

    fn find(&self, namespace: &str, service: &str, is: impl Fn(&PortEndpoints) -> bool) -> Option<Arc<[Endpoint]>> {
        let map = self.lock();
        let ports = map.get(namespace)?.get(service)?;
        ports.iter().find(|it| is(it)).map(|it| Arc::clone(&it.ready))
    }

    pub(super) fn set(&self, namespace: &str, service: &str, ports: Vec<PortEndpoints>) {
        self.lock().entry(namespace.to_owned()).or_default().insert(service.to_owned(), ports);
    }

    pub(super) fn remove(&self, namespace: &str, service: &str) {
        let mut map = self.lock();
        if let Some(services) = map.get_mut(namespace) {
            services.remove(service);
            if services.is_empty() {
                map.remove(namespace);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Services>> {
        self.by_namespace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

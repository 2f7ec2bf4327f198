//! The cluster's network: finds the process behind a Service's name, a pod's name or a pod's IP.
//!
//! There are no sockets in it, so it works under the simulated clock. Names resolve as cluster DNS does, seen from a
//! namespace; a Service's port leads to its ready pods in turn. Who asks for a name outside the cluster reaches the
//! `outside` sender where there is one (the wall clock), and `no such host` where there is none (the simulated clock).

use crate::sys::http::{Http, HttpError, Request, Response, SharedHttp};
use crate::workload::runtime::Process;
use crate::workload::{Endpoints, Pods};
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// Cheap to clone; clones are one network.
#[derive(Clone)]
pub(crate) struct Network(Arc<Inner>);

struct Inner {
    /// Set once the kubelet runs; until then nobody is there.
    cluster: OnceLock<(Endpoints, Pods)>,
    outside: Option<SharedHttp>,
    /// Service and port to how many requests were sent there: whose turn it is.
    turns: Mutex<BTreeMap<(String, String, u16), usize>>,
}

/// The network as a pod of one namespace sees it: bare Service names are of that namespace.
#[derive(Clone)]
struct SeenFrom {
    network: Network,
    namespace: Arc<str>,
}

impl Network {
    pub(crate) fn new(outside: Option<SharedHttp>) -> Self {
        Self(Arc::new(Inner { cluster: OnceLock::new(), outside, turns: Mutex::default() }))
    }

    /// Says who is there. The processes themselves need the network, so it has to exist before them.
    pub(crate) fn connect(&self, endpoints: Endpoints, pods: Pods) {
        // A second kubelet would be a defect; the first one stays.
        let _ = self.0.cluster.set((endpoints, pods));
    }

    pub(crate) fn endpoints(&self) -> Option<&Endpoints> {
        self.0.cluster.get().map(|it| &it.0)
    }

    fn pods(&self) -> Option<&Pods> {
        self.0.cluster.get().map(|it| &it.1)
    }

    /// A sender for whoever lives in `namespace`.
    pub(crate) fn seen_from(&self, namespace: &str) -> SharedHttp {
        Arc::new(SeenFrom { network: self.clone(), namespace: namespace.into() })
    }

    /// Sends to one pod.
    pub(crate) fn to_ip(
        &self,
        ip: &str,
        port: u16,
        request: Request,
    ) -> BoxFuture<'static, Result<Response, HttpError>> {
        match self.pods().and_then(|it| it.by_ip(ip, port)) {
            Some(process) => process.request(port, request),
            None => refused(ip, port),
        }
    }

    fn process(&self, name: &Name, port: u16) -> Result<(Arc<dyn Process>, u16), HttpError> {
        let refused = |address: String| HttpError::Refused { address };
        match name {
            Name::Pod { namespace, name } => {
                let process = self.pods().and_then(|it| it.process_for_port(namespace, name, port));
                process.map(|it| (it, port)).ok_or_else(|| refused(format!("{name}.{namespace}:{port}")))
            }
            Name::Ip(ip) => {
                let process = self.pods().and_then(|it| it.by_ip(ip, port));
                process.map(|it| (it, port)).ok_or_else(|| refused(format!("{ip}:{port}")))
            }
            Name::Service { namespace, name } => {
                let address = || refused(format!("{name}.{namespace}:{port}"));
                let ready = self.endpoints().and_then(|it| it.ready(namespace, name, port)).ok_or_else(address)?;
                let next = self.turn(namespace, name, port).checked_rem(ready.len()).ok_or_else(address)?;
                let endpoint = &ready[next];
                let process = self.pods().and_then(|it| it.by_ip(&endpoint.ip, endpoint.port)).ok_or_else(address)?;
                Ok((process, endpoint.port))
            }
        }
    }

    fn turn(&self, namespace: &str, service: &str, port: u16) -> usize {
        let mut turns = self.0.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = turns.entry((namespace.to_owned(), service.to_owned(), port)).or_default();
        *turn = turn.wrapping_add(1);
        *turn
    }
}

fn refused(ip: &str, port: u16) -> BoxFuture<'static, Result<Response, HttpError>> {
    let address = format!("{ip}:{port}");
    Box::pin(async { Err(HttpError::Refused { address }) })
}

/// Who is meant by a host name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    Service { namespace: String, name: String },
    Pod { namespace: String, name: String },
    Ip(String),
}

impl Name {
    /// `name.namespace.pod`, an IPv4 address, or a Service as cluster DNS has it. None for names of the outside world.
    fn of(host: &str, home: &str, endpoints: Option<&Endpoints>) -> Option<Self> {
        if host.parse::<Ipv4Addr>().is_ok() {
            return Some(Self::Ip(host.to_owned()));
        }
        let parts: Vec<&str> = host.trim_end_matches('.').split('.').collect();
        let (name, namespace) = match parts[..] {
            [name, namespace, "pod"] => {
                return Some(Self::Pod { namespace: namespace.to_owned(), name: name.to_owned() });
            }
            [name] => (name, home),
            [name, namespace] | [name, namespace, "svc"] | [name, namespace, "svc", "cluster", "local"] => {
                (name, namespace)
            }
            _ => return None,
        };
        let service = || Self::Service { namespace: namespace.to_owned(), name: name.to_owned() };
        endpoints.is_some_and(|it| it.knows(namespace, name)).then(service)
    }
}

impl Http for SeenFrom {
    fn send(&self, request: Request, timeout: Duration) -> BoxFuture<'static, Result<Response, HttpError>> {
        let host = request.uri().host().unwrap_or_default();
        let port = request.uri().port_u16().unwrap_or(80);
        let Some(name) = Name::of(host, &self.namespace, self.network.endpoints()) else {
            return match &self.network.0.outside {
                Some(outside) => outside.send(request, timeout),
                None => {
                    let host = host.to_owned();
                    Box::pin(async { Err(HttpError::NoSuchHost { host }) })
                }
            };
        };
        match self.network.process(&name, port) {
            Err(error) => Box::pin(async { Err(error) }),
            Ok((process, port)) => {
                let answer = process.request(port, with_host(request));
                Box::pin(async move { tokio::time::timeout(timeout, answer).await.unwrap_or(Err(HttpError::Timeout)) })
            }
        }
    }
}

/// What a client does before it writes a request: the authority becomes the Host header, unless one was set by hand.
fn with_host(mut request: Request) -> Request {
    if !request.headers().contains_key(http::header::HOST)
        && let Some(authority) = request.uri().authority()
        && let Ok(value) = http::HeaderValue::from_str(authority.as_str())
    {
        request.headers_mut().insert(http::header::HOST, value);
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_no_service_are_of_the_outside() {
        let none = Endpoints::default();
        let none = Some(&none);
        assert_eq!(Name::of("hooks.slack.com", "test", none), None);
        assert_eq!(Name::of("podinfo", "test", none), None, "no such Service");
        assert_eq!(Name::of("10.244.0.7", "test", none), Some(Name::Ip("10.244.0.7".to_owned())));
        let pod = Name::Pod { namespace: "test".to_owned(), name: "podinfo-1".to_owned() };
        assert_eq!(Name::of("podinfo-1.test.pod", "home", none), Some(pod));
    }
}

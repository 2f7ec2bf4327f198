//! Connections to ready pods of a Service through the Kubernetes API: [`Tunnels`], and [`Forward`], a port of this machine
//! that leads into them, as `kubectl port-forward` does, with two differences: each connection picks a pod that is ready
//! then, so it outlives pods; and it has limits.
//!
//! A connection lives as long as its pod. When the pod goes, the connection ends, as it would without a forward; the
//! client's next one goes to another pod.
//!
//! Making one takes a TLS handshake, an upgrade, and as much again behind the API server: seconds on a machine that is busy.
//! Whoever sends many requests takes [`Tunnels`] with a pool, and not a port, at which a request is tied to a connection
//! that is not made yet.

use crate::cluster::{Client, ClusterError};
use crate::model::object::ObjectRef;
use crate::sys::pool::{Connected, Dial};
use futures_util::future::{BoxFuture, FutureExt};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::Portforwarder;
use serde_json::Value;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;

/// Connections of one forward that are open at the same time; further ones wait. Each holds at most 2 MiB of buffers.
pub const MAX_CONNECTIONS: usize = 256;
/// How long one pod may take to accept a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How many pods are tried for one connection, and how long is waited for ready pods between the attempts.
const ATTEMPTS: u32 = 4;
const WAIT: Duration = Duration::from_millis(250);
/// How long a list of ready pods is believed.
const FRESH: Duration = Duration::from_secs(5);
/// Wait after a failure of the listener (no file descriptors left, say), so that it cannot spin.
const LISTEN_AGAIN: Duration = Duration::from_millis(100);

/// Why there is no forward.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    #[error("there is no Service {service} in namespace {namespace}")]
    NoService { namespace: String, service: String },
    #[error("the Service {service} in namespace {namespace} has no port {port}")]
    NoPort { namespace: String, service: String, port: u16 },
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error("the port of this machine could not be opened: {0}")]
    Listen(#[from] io::Error),
}

/// Why one connection did not come about.
#[derive(Debug, thiserror::Error)]
enum ConnectError {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error("no pod of the Service is ready")]
    NoPod,
    #[error("pod {pod}: {why}")]
    Pod { pod: String, why: String },
}

/// A forward. Dropping it closes its port and all its connections.
pub struct Forward {
    address: SocketAddr,
    _accepting: AbortOnDropHandle<()>,
}

impl Forward {
    /// Where to connect to: a free port of the loopback address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The way to a Service's pods. Clones are one.
#[derive(Clone)]
pub struct Tunnels(Arc<Backends>);

impl Dial for Tunnels {
    /// Opens a connection to a pod that is ready. Dropping it ends it.
    fn dial(&self) -> BoxFuture<'static, io::Result<Box<dyn Connected>>> {
        let backends = Arc::clone(&self.0);
        async move {
            let opened = backends.connect().await.map_err(io::Error::other)?;
            Ok(Box::new(opened) as Box<dyn Connected>)
        }
        .boxed()
    }
}

impl Client {
    /// Opens a forward to a port of a Service. The Service must be there; its pods may become ready later.
    ///
    /// Must be called inside a tokio runtime with sockets.
    pub async fn forward(&self, namespace: &str, service: &str, port: u16) -> Result<Forward, ForwardError> {
        self.forward_from(0, namespace, service, port).await
    }

    /// The same from a certain port of this machine; 0 is any free one.
    pub async fn forward_from(
        &self,
        here: u16,
        namespace: &str,
        service: &str,
        port: u16,
    ) -> Result<Forward, ForwardError> {
        let Tunnels(backends) = self.tunnels(namespace, service, port).await?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, here)).await?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(accept(listener, backends));
        Ok(Forward { address, _accepting: AbortOnDropHandle::new(accepting) })
    }

    /// The same without a port of this machine.
    pub async fn tunnels(&self, namespace: &str, service: &str, port: u16) -> Result<Tunnels, ForwardError> {
        let found = self.get(&ObjectRef::new("v1", "Service", namespace, service)).await?;
        let (namespace, service) = (namespace.to_owned(), service.to_owned());
        let Some(found) = found else { return Err(ForwardError::NoService { namespace, service }) };
        let Some(port_name) = port_name(&found, port) else {
            return Err(ForwardError::NoPort { namespace, service, port });
        };
        let backends = Backends { client: self.clone(), namespace, service, port_name, known: Mutex::default() };
        Ok(Tunnels(Arc::new(backends)))
    }
}

/// A Service's port as its `EndpointSlices` name it; empty where it has no name.
fn port_name(service: &Value, port: u16) -> Option<String> {
    let ports = service["spec"]["ports"].as_array()?;
    let found = ports.iter().find(|it| it["port"] == port)?;
    Some(found["name"].as_str().unwrap_or_default().to_owned())
}

/// Ends when it is aborted, and all connections with it.
async fn accept(listener: TcpListener, backends: Arc<Backends>) {
    let mut open = JoinSet::new();
    loop {
        while open.len() >= MAX_CONNECTIONS {
            open.join_next().await;
        }
        tokio::select! {
            biased;
            Some(_) = open.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    open.spawn(carry(socket, Arc::clone(&backends)));
                }
                Err(why) => {
                    tracing::debug!("forward to {}: {why}", backends.service);
                    tokio::time::sleep(LISTEN_AGAIN).await;
                }
            },
        }
    }
}

/// Carries one connection to its end. A client that cannot be served is closed: there is nobody to tell it why.
async fn carry(mut socket: TcpStream, backends: Arc<Backends>) {
    // Requests are small and wait for answers: nothing is gained by collecting bytes.
    let _ = socket.set_nodelay(true);
    match backends.connect().await {
        Ok(mut pod) => {
            let _ = copy_bidirectional(&mut socket, &mut pod).await;
        }
        Err(why) => tracing::debug!("forward to {}: {why}", backends.service),
    }
}

/// An open stream to a pod's port.
struct Open {
    stream: DuplexStream,
    /// Ends the WebSocket when it is dropped.
    _forwarder: Ending,
}

impl AsyncRead for Open {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Open {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

struct Ending(Portforwarder);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A ready pod and the number of its port.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Backend {
    pod: String,
    port: u16,
}

/// Who stands behind the Service.
struct Backends {
    client: Client,
    namespace: String,
    service: String,
    port_name: String,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    ready: Vec<Backend>,
    since: Option<Instant>,
    /// Whose turn it is.
    next: usize,
}

impl Known {
    fn take(&mut self) -> Option<Backend> {
        self.since.filter(|it| it.elapsed() < FRESH)?;
        self.next = self.next.wrapping_add(1);
        self.ready.get(self.next.checked_rem(self.ready.len())?).cloned()
    }
}

impl Backends {
    /// A stream to one of the ready pods; one that does not take it is left for another.
    async fn connect(&self) -> Result<Open, ConnectError> {
        let mut attempt = 1;
        loop {
            let result = match self.pick().await {
                Ok(backend) => self.open(&backend).await,
                Err(why) => Err(why),
            };
            if result.is_ok() || attempt == ATTEMPTS {
                return result;
            }
            // What was known about the pods is no longer true.
            self.lock().since = None;
            tokio::time::sleep(WAIT * attempt).await;
            attempt += 1;
        }
    }

    async fn pick(&self) -> Result<Backend, ConnectError> {
        if let Some(backend) = self.lock().take() {
            return Ok(backend);
        }
        let selector = format!("kubernetes.io/service-name={}", self.service);
        let slices =
            self.client.list("discovery.k8s.io/v1", "EndpointSlice", Some(&self.namespace), Some(&selector)).await?;
        let ready = ready_pods(&slices, &self.port_name);
        let mut known = self.lock();
        known.ready = ready;
        known.since = Some(Instant::now());
        known.take().ok_or(ConnectError::NoPod)
    }

    async fn open(&self, backend: &Backend) -> Result<Open, ConnectError> {
        let failed = |why: String| ConnectError::Pod { pod: backend.pod.clone(), why };
        let pods: Api<Pod> = Api::namespaced(self.client.inner.clone(), &self.namespace);
        let opened = timeout(CONNECT_WITHIN, pods.portforward(&backend.pod, &[backend.port])).await;
        let opened = opened.map_err(|_| failed("no answer in time".to_owned()))?;
        let mut forwarder = opened.map_err(|why| failed(why.to_string()))?;
        let stream = forwarder.take_stream(backend.port).ok_or_else(|| failed("no stream".to_owned()))?;
        Ok(Open { stream, _forwarder: Ending(forwarder) })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ready pods of `EndpointSlices`, in their order, with the number that the port has on each.
fn ready_pods(slices: &[Value], port_name: &str) -> Vec<Backend> {
    let mut found = Vec::new();
    for slice in slices {
        let ports = slice["ports"].as_array().into_iter().flatten();
        let named = |it: &&Value| it["name"].as_str().unwrap_or_default() == port_name;
        let port = ports.filter(named).find_map(|it| u16::try_from(it["port"].as_u64()?).ok());
        let Some(port) = port else { continue };
        for endpoint in slice["endpoints"].as_array().into_iter().flatten() {
            // No word about readiness means ready.
            let ready = endpoint["conditions"]["ready"] != false;
            if let (true, Some(pod)) = (ready, endpoint["targetRef"]["name"].as_str()) {
                let backend = Backend { pod: pod.to_owned(), port };
                if !found.contains(&backend) {
                    found.push(backend);
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_ready_pods_are_taken_each_once_and_by_the_ports_own_name() {
        let endpoint = |pod: &str, ready: Value| json!({"targetRef": {"name": pod}, "conditions": {"ready": ready}});
        let slices = [
            json!({"ports": [{"name": "metrics", "port": 9797}, {"name": "http", "port": 9898}], "endpoints": [
                endpoint("a", json!(true)), endpoint("b", json!(false)), endpoint("c", Value::Null)]}),
            // The second IP family lists the same pods.
            json!({"ports": [{"name": "http", "port": 9898}], "endpoints": [endpoint("a", json!(true))]}),
            json!({"ports": [{"name": "other", "port": 1}], "endpoints": [endpoint("d", json!(true))]}),
        ];
        let backend = |pod: &str| Backend { pod: pod.to_owned(), port: 9898 };
        assert_eq!(ready_pods(&slices, "http"), [backend("a"), backend("c")]);
        assert!(ready_pods(&slices, "https").is_empty());
        let unnamed = [json!({"ports": [{"port": 80}], "endpoints": [endpoint("a", json!(true))]})];
        assert_eq!(ready_pods(&unnamed, "").len(), 1);
    }
}

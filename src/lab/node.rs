//! The lab's node agent: logs and processes from the kubelet, ports from the network, use of resources from the metrics.
//!
//! Processes here answer requests and have no sockets. So a byte stream to a port is served as HTTP/1.1 on the way: what a
//! forwarded port carries must be HTTP, and a port nobody listens on is noticed with the first request.

use crate::apiserver::{Connection, ContainerAt, Ended, LogOptions, Measured, NodeAgent, Status, Usage};
use crate::sys::clock::Clock;
use crate::sys::http::HttpError;
use crate::sys::stdio::Stdio;
use crate::workload::hpa::{IDLE_MEMORY_BYTES, IDLE_MILLICORES, WINDOW_SECONDS, cpu_millicores};
use crate::workload::kubelet::NODE_NAME;
use crate::workload::runtime::Process;
use crate::workload::{Containers, MetricSource, Pods};
use bytes::Bytes;
use futures_util::future::FutureExt;
use futures_util::stream::BoxStream;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::sync::{Arc, OnceLock};
use tokio::io::DuplexStream;
use tokio::sync::oneshot;

/// How much of a forwarded port is on its way in each direction.
const STREAM_BYTES: usize = 64 << 10;
/// Largest body of a request through a forwarded port.
const MAX_BODY_BYTES: usize = 8 << 20;

pub(crate) struct Agent {
    pub containers: Containers,
    pub pods: Pods,
    pub metrics: Arc<dyn MetricSource>,
    pub clock: Clock,
}

impl NodeAgent for Agent {
    fn logs(&self, at: &ContainerAt, options: &LogOptions) -> Result<BoxStream<'static, Bytes>, Status> {
        self.containers.logs(at, options)
    }

    fn exec(&self, at: &ContainerAt, command: Vec<String>, stdio: Stdio) -> Result<Ended, Status> {
        Ok(self.containers.process(at)?.exec(command, stdio))
    }

    /// The process has no input, so this shows what it prints until it ends.
    fn attach(&self, at: &ContainerAt, stdio: Stdio) -> Result<Ended, Status> {
        let process = self.containers.process(at)?;
        let Some(output) = self.containers.output(at) else { return Ok(process.exited().map(Ok).boxed()) };
        let mut reader = output.read();
        reader.ready();
        Ok(async move {
            loop {
                let lines = reader.more().await;
                if lines.is_empty() {
                    return Ok(0);
                }
                for line in lines {
                    stdio.print(format!("{}\n", line.text)).await;
                }
            }
        }
        .boxed())
    }

    fn connect(&self, namespace: &str, pod: &str, port: u16) -> Result<Connection, String> {
        let process = self.pods.process_for_port(namespace, pod, port).ok_or_else(|| refused(port))?;
        let (stream, far) = tokio::io::duplex(STREAM_BYTES);
        let (tell, told) = oneshot::channel();
        // It ends when the caller drops its end of the stream.
        tokio::spawn(async move {
            let _ = tell.send(serve(far, process, port).await);
        });
        Ok(Connection { stream, failed: told.map(Result::unwrap_or_default).boxed() })
    }

    fn pod_usage(&self, namespace: &str, pod: &str) -> Option<Measured> {
        let names = self.pods.containers(namespace, pod);
        let requests = self.metrics.requests_per_second(namespace, pod).unwrap_or_default();
        let usage = |(index, container)| Usage {
            container,
            // Requests are counted for the pod; its first container is the one that serves them.
            cpu_millicores: if index == 0 { cpu_millicores(requests) } else { IDLE_MILLICORES },
            memory_bytes: IDLE_MEMORY_BYTES,
        };
        let containers: Vec<_> = names.into_iter().enumerate().map(usage).collect();
        (!containers.is_empty()).then(|| self.measured(containers))
    }

    fn node_usage(&self, node: &str) -> Option<Measured> {
        if node != NODE_NAME {
            return None;
        }
        let pods = self.pods.running();
        let all = pods.iter().filter_map(|(namespace, pod, _)| self.pod_usage(namespace, pod));
        let all: Vec<_> = all.flat_map(|it| it.containers).collect();
        let whole = Usage {
            container: String::new(),
            cpu_millicores: all.iter().map(|it| it.cpu_millicores).sum(),
            memory_bytes: all.iter().map(|it| it.memory_bytes).sum(),
        };
        Some(self.measured(vec![whole]))
    }
}

impl Agent {
    fn measured(&self, containers: Vec<Usage>) -> Measured {
        Measured { at: self.clock.now(), window_seconds: WINDOW_SECONDS, containers }
    }
}

/// What a kubelet's port-forward says of a port where nobody listens.
fn refused(port: u16) -> String {
    format!(
        "failed to connect to localhost:{port} inside namespace: dial tcp4 127.0.0.1:{port}: connect: connection refused"
    )
}

/// Answers the HTTP requests that come through a stream; what broke it, if something did.
async fn serve(stream: DuplexStream, process: Arc<dyn Process>, port: u16) -> Option<String> {
    let broken: Arc<OnceLock<HttpError>> = Arc::default();
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let (process, broken) = (Arc::clone(&process), Arc::clone(&broken));
        async move {
            let answer = answer(&*process, port, request).await;
            answer.map(|it| it.map(Full::new)).inspect_err(|error| {
                let _ = broken.set(error.clone());
            })
        }
    });
    // Its own errors are of the client, who knows them.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    match broken.get() {
        Some(HttpError::Refused { .. }) => Some(refused(port)),
        // The process closed the connection, as it would a real one.
        Some(_) | None => None,
    }
}

async fn answer(
    process: &dyn Process,
    port: u16,
    request: hyper::Request<Incoming>,
) -> Result<http::Response<Bytes>, HttpError> {
    let (mut parts, body) = request.into_parts();
    let body = Limited::new(body, MAX_BODY_BYTES).collect().await.map_err(|it| HttpError::Other(it.to_string()))?;
    let host = parts.headers.get(http::header::HOST).and_then(|it| it.to_str().ok()).unwrap_or("localhost");
    let path = parts.uri.path_and_query().map_or("/", |it| it.as_str());
    parts.uri =
        format!("http://{host}{path}").parse().map_err(|it: http::uri::InvalidUri| HttpError::Other(it.to_string()))?;
    process.request(port, http::Request::from_parts(parts, body.to_bytes())).await
}

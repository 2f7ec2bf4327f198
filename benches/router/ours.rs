//! `coalmine router` as it runs in a cluster: a process of its own that follows a Kubernetes API, here an embedded one with
//! two Services whose only pod is the backend.

use crate::nginx::WEIGHT;
use crate::process::wait_for;
use crate::real::{Process, free_port};
use coalmine::apiserver::{Server, resource};
use coalmine::sys::clock::Clock;
use coalmine::sys::rng::Seed;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::path::Path;
use tempfile::TempDir;
use tokio::net::TcpListener;

/// The host that wrk asks for.
pub const HOST: &str = "app.example.com";

pub struct Ours {
    process: Process,
    _folder: TempDir,
    pub port: u16,
}

impl Ours {
    /// One thread carries requests, as one worker of nginx does.
    pub fn start(backend: u16) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, kubeconfig_of(serve_cluster(backend))).expect("the folder can be written");
        let (port, metrics) = (free_port(), free_port());
        let address = |port| format!("127.0.0.1:{port}");
        let args =
            ["router", "--listen", &address(port), "--metrics", &address(metrics), "--kubeconfig"].map(str::to_owned);
        let args: Vec<_> = args.into_iter().chain([kubeconfig.display().to_string()]).collect();
        let program = Path::new(env!("CARGO_BIN_EXE_coalmine"));
        let one = [("TOKIO_WORKER_THREADS", OsStr::new("1"))];
        let process = Process::start_with(program, folder.path(), &args, &one);
        wait_for(port);
        Self { process, _folder: folder, port }
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

fn ingress(name: &str, service: &str, annotations: Value) -> Value {
    let backend = json!({"service": {"name": service, "port": {"number": 80}}});
    let paths = json!([{"path": "/", "pathType": "Prefix", "backend": backend}]);
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name, "annotations": annotations},
        "spec": {"ingressClassName": "nginx", "rules": [{"host": HOST, "http": {"paths": paths}}]}})
}

/// A Service and its endpoints.
fn service(name: &str, backend: u16) -> [(&'static str, Value); 2] {
    let port = json!({"name": "http", "port": 80, "targetPort": backend});
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": [port]}});
    let slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": format!("{name}-1"), "labels": {"kubernetes.io/service-name": name}},
        "ports": [{"name": "http", "port": backend, "protocol": "TCP"}],
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": true}}]});
    [(resource::SERVICES, service), (resource::ENDPOINT_SLICES, slice)]
}

/// Answers for the cluster, on a thread that ends with this program; the port.
fn serve_cluster(backend: u16) -> u16 {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let server = Server::new(Clock::wall(), Seed(1));
            let canary = json!({"nginx.ingress.kubernetes.io/canary": "true",
                "nginx.ingress.kubernetes.io/canary-weight": WEIGHT.to_string()});
            let ingresses = [ingress("app", "primary", json!({})), ingress("app-canary", "canary", canary)];
            let ingresses = ingresses.map(|it| (resource::INGRESSES, it));
            let services = [service("primary", backend), service("canary", backend)];
            for (resource, object) in services.into_iter().flatten().chain(ingresses) {
                server.api().create(resource, "default", object).expect("the object is right");
            }
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
            let _ = tell.send(listener.local_addr().expect("it is bound").port());
            axum::serve(listener, server.router()).await.expect("the listener stays");
        });
    });
    told.recv().expect("it tells its port")
}

fn kubeconfig_of(port: u16) -> String {
    let named = |key: &str, value: Value| json!([{"name": "bench", key: value}]);
    json!({"apiVersion": "v1", "kind": "Config", "current-context": "bench",
        "clusters": named("cluster", json!({"server": format!("http://127.0.0.1:{port}")})),
        "users": named("user", json!({"token": "any"})),
        "contexts": named("context", json!({"cluster": "bench", "user": "bench"}))})
    .to_string()
}

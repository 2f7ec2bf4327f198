//! The two servers that the script is played against, with and without controllers.

use super::kubelet::Kubelet;
use crate::real::{KubeApi, Process, find};
use crate::workload::fake::Fake;
use axum::serve::Listener;
use coalmine::apiserver::Server;
use coalmine::sys::clock::Clock;
use coalmine::sys::rng::Seed;
use coalmine::workload::hpa::NoMetrics;
use coalmine::workload::{Controllers, Settings, Span, Timing};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The bearer token of the embedded server's administrator.
const TOKEN: &str = "own";
/// What our own controllers do as well.
const CONTROLLERS: [&str; 4] =
    ["deployment-controller", "replicaset-controller", "garbage-collector-controller", "namespace-controller"];

/// A kubeconfig whose context names the namespace of a part, which is still to be filled in.
fn kubeconfig(server: &str, token: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: lab\n\
        clusters: [{{name: lab, cluster: {{server: '{server}', insecure-skip-tls-verify: true}}}}]\n\
        users: [{{name: lab, user: {{token: {token}}}}}]\n\
        contexts: [{{name: lab, context: {{cluster: lab, user: lab, namespace: NAMESPACE}}}}]\n"
    )
}

/// The embedded API server on a loopback port, on a thread and a clock of its own. Stopped when dropped.
pub struct Embedded {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Embedded {
    /// The server alone, or with its controllers and a kubelet that runs nothing.
    pub fn start(controllers: bool) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let door = Door::open().await;
                tell.send(door.listener.local_addr().unwrap()).unwrap();
                let server = Server::new(Clock::wall(), Seed(1));
                let _controllers = controllers.then(|| control(&server));
                tokio::select! {
                    biased;
                    _ = stopped => {}
                    served = axum::serve(door, server.guarded_router(TOKEN)) => served.unwrap(),
                }
            });
        });
        Self { address: told.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
    }

    pub fn kubeconfig(&self) -> String {
        kubeconfig(&format!("https://{}", self.address), TOKEN)
    }
}

/// TLS, because kubectl brings its token over nothing else.
struct Door {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Door {
    async fn open() -> Self {
        let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(own.signing_key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![own.cert.der().clone()], key).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener, acceptor: TlsAcceptor::from(Arc::new(config)) }
    }
}

impl Listener for Door {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (socket, address) = self.listener.accept().await.unwrap();
            if let Ok(socket) = self.acceptor.accept(socket).await {
                return (socket, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A node that is quick, because what is compared is not how long it takes.
fn control(server: &Server) -> Controllers {
    let quick = Span::millis(1, 5);
    let timing = Timing { schedule: quick, sandbox: quick, pull: quick, start: quick, pull_failure: quick };
    let settings = Settings {
        clock: Clock::wall(),
        seed: Seed(1),
        timing,
        runtime: Arc::new(Fake::default()),
        metrics: Arc::new(NoMetrics),
    };
    Controllers::start(server.api_as("kube-controller-manager"), settings)
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.stop.take().map(|it| it.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// kube-apiserver with etcd, and with roles as every cluster has them.
pub struct Real {
    /// Ended in this order.
    running: Option<(Kubelet, Process)>,
    controllers: Option<PathBuf>,
    api: KubeApi,
}

impl Real {
    /// None, loudly, where they are not to be had. The controllers are those of kube-controller-manager that ours stand
    /// beside.
    pub fn start(controllers: bool) -> Option<Self> {
        let controllers = if controllers { Some(find("kube-controller-manager")?) } else { None };
        Some(Self { running: None, controllers, api: KubeApi::start_with("RBAC")? })
    }

    /// Waits until it answers.
    pub fn ready(&mut self) -> String {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = reqwest::Client::builder().danger_accept_invalid_certs(true).no_proxy().build().unwrap();
        runtime.block_on(self.api.ready(&client));
        if let Some(program) = &self.controllers {
            let controllers = self.api.start_controllers(program, &CONTROLLERS);
            self.running = Some((Kubelet::start(&self.api.url), controllers));
        }
        kubeconfig(&self.api.url, KubeApi::TOKEN)
    }
}

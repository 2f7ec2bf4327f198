//! The two servers that the script is played against.

use crate::real::KubeApi;
use coalmine::apiserver::Server;
use coalmine::sys::clock::Clock;
use coalmine::sys::rng::Seed;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use tokio::sync::oneshot;

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
    pub fn start() -> Self {
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let router = Server::new(Clock::wall(), Seed(1)).router();
                tokio::select! {
                    biased;
                    _ = stopped => {}
                    served = axum::serve(listener, router) => served.unwrap(),
                }
            });
        });
        Self { address: told.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
    }

    pub fn kubeconfig(&self) -> String {
        kubeconfig(&format!("http://{}", self.address), "none")
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.stop.take().map(|it| it.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// kube-apiserver with etcd.
pub struct Real(KubeApi);

impl Real {
    /// None, loudly, where they are not to be had.
    pub fn start() -> Option<Self> {
        KubeApi::start().map(Self)
    }

    /// Waits until it answers.
    pub fn ready(&self) -> String {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = reqwest::Client::builder().danger_accept_invalid_certs(true).no_proxy().build().unwrap();
        runtime.block_on(self.0.ready(&client));
        kubeconfig(&self.0.url, KubeApi::TOKEN)
    }
}

//! The embedded server as a process: behind its token, over TLS, on a thread per core, as `coalmine up` serves it, or without
//! TLS; on a free loopback port, which it prints.

use coalmine::apiserver::Server;
use coalmine::sys::clock::Clock;
use coalmine::sys::rng::Seed;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::PrivateKeyDer;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

pub const TOKEN: &str = "tok";

pub fn run(tls: bool) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let server = Server::new(Clock::wall(), Seed(1));
        let (router, acceptor) = (server.guarded_router(TOKEN), tls.then(acceptor));
        println!("{}", listener.local_addr().expect("it is bound").port());
        loop {
            let (socket, _) = listener.accept().await.expect("the listener stays");
            let _ = socket.set_nodelay(true);
            let (router, acceptor) = (router.clone(), acceptor.clone());
            tokio::spawn(async move {
                let Some(acceptor) = acceptor else { return answer(socket, router).await };
                if let Ok(socket) = acceptor.accept(socket).await {
                    answer(socket, router).await;
                }
            });
        }
    });
}

async fn answer(socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, router: axum::Router) {
    let service = TowerToHyperService::new(router);
    let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
}

fn acceptor() -> TlsAcceptor {
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(own.signing_key.serialize_der().into());
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().expect("the provider has them").with_no_client_auth();
    let config = config.with_single_cert(vec![own.cert.der().clone()], key).expect("the key fits the certificate");
    TlsAcceptor::from(Arc::new(config))
}

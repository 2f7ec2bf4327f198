//! One listener: who is let in, over TLS or plainly, with which limits, and how all of them leave.

use super::impatient::{Impatient, ImpatientBody};
use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::pin::pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Connections of one server at a time; who comes then waits in the kernel's queue until one of them leaves or has been
/// idle for [`HEAD_WITHIN`].
const MAX_CONNECTIONS: usize = 1_000;
/// How long a TLS handshake may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// How long the head of a request may take, and how long a connection may be idle; kube-apiserver's `ReadHeaderTimeout`.
const HEAD_WITHIN: Duration = Duration::from_secs(32);
/// Largest head of a request: a PromQL query in a URL fits, a flood does not.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// How long answers may still take when a server is stopped.
const DRAIN_WITHIN: Duration = Duration::from_secs(2);
/// After a failed accept (out of file descriptors, say): without it the loop would spin.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// What Go's server answers to plain HTTP on a TLS port.
const PLAIN_ON_TLS: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

/// What one server allows.
#[derive(Clone, Copy)]
struct Limits {
    connections: usize,
    handshake: Duration,
    head: Duration,
}

const LIMITS: Limits = Limits { connections: MAX_CONNECTIONS, handshake: HANDSHAKE_WITHIN, head: HEAD_WITHIN };

/// Lets clients in until `stop`, then waits for those who are inside, at most [`DRAIN_WITHIN`].
pub(super) async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, router: Router, stop: CancellationToken) {
    serve_within(LIMITS, listener, tls, router, stop).await;
}

async fn serve_within(
    limits: Limits,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    stop: CancellationToken,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < limits.connections => match accepted {
                Ok((socket, _)) => {
                    connections.spawn(connection(limits, socket, tls.clone(), router.clone(), stop.clone()));
                }
                Err(_) => sleep(ACCEPT_AGAIN_AFTER).await,
            },
        }
    }
    drop(listener);
    let _ = timeout(DRAIN_WITHIN, async { while connections.join_next().await.is_some() {} }).await;
    connections.shutdown().await;
}

/// How a connection ends is its client's affair: there is nobody else to tell.
async fn connection(
    limits: Limits,
    socket: TcpStream,
    tls: Option<TlsAcceptor>,
    router: Router,
    stop: CancellationToken,
) {
    let _ = socket.set_nodelay(true);
    match tls {
        None => answer(limits.head, socket, router, stop).await,
        Some(acceptor) => {
            if let Ok(Some(socket)) = timeout(limits.handshake, secured(socket, acceptor)).await {
                answer(limits.head, socket, router, stop).await;
            }
        }
    }
}

/// The TLS side of a socket; none for who does not speak TLS.
async fn secured(mut socket: TcpStream, acceptor: TlsAcceptor) -> Option<TlsStream<TcpStream>> {
    let mut first = [0];
    socket.peek(&mut first).await.ok()?;
    // A method's first letter; a handshake begins with 22.
    if first[0].is_ascii_uppercase() {
        socket.write_all(PLAIN_ON_TLS).await.ok()?;
        socket.shutdown().await.ok()?;
        // Closing before the request is read would reset the connection, and the client would not see the answer.
        let mut request = socket.take(MAX_HEAD_BYTES as u64);
        tokio::io::copy(&mut request, &mut tokio::io::sink()).await.ok()?;
        return None;
    }
    acceptor.accept(socket).await.ok()
}

async fn answer(
    head_within: Duration,
    socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    stop: CancellationToken,
) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        router.clone().oneshot(request.map(|body| Body::new(ImpatientBody::new(body))))
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(head_within)
            .max_header_size(MAX_HEAD_BYTES)
            .serve_connection(TokioIo::new(Impatient::new(socket)), service)
            .with_upgrades()
    );
    tokio::select! {
        biased;
        _ = connection.as_mut() => return,
        () = stop.cancelled() => {}
    }
    // An answer that has begun is finished; then the connection ends.
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

#[cfg(test)]
mod tests;

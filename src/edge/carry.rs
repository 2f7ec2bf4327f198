//! Where requests enter: connections of HTTP/1.1, straight from the socket to the router.

use crate::sys::direct::MAX_BODY_BYTES;
use crate::traffic::router::{ClientAddress, Router};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Connections at a time, `max-worker-connections` of ingress-nginx; who comes then waits in the kernel's queue.
const MAX_CONNECTIONS: usize = 16_384;
/// How long the head of a request may take, and how long a connection may be idle; nginx' `client_header_timeout`.
const HEAD_WITHIN: Duration = Duration::from_secs(60);
/// After a failed accept (out of file descriptors, say): without it the loop would spin.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Carries requests until `stop`, then waits for those that are under way.
pub(super) async fn carry(listener: TcpListener, router: Router, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((socket, from)) => {
                    connections.spawn(connection(socket, from, router.clone(), stop.clone()));
                }
                Err(_) => tokio::time::sleep(ACCEPT_AGAIN_AFTER).await,
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(socket: TcpStream, from: SocketAddr, router: Router, stop: CancellationToken) {
    let _ = socket.set_nodelay(true);
    let from = ClientAddress::from(from.ip());
    let service = service_fn(move |request| enter(router.clone(), from.clone(), request));
    let server = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(TokioIo::new(socket), service);
    let mut server = pin!(server);
    tokio::select! {
        biased;
        // How a connection ends is its client's affair: there is nobody else to tell.
        _ = server.as_mut() => return,
        () = stop.cancelled() => {}
    }
    server.as_mut().graceful_shutdown();
    let _ = server.await;
}

async fn enter(
    router: Router,
    from: ClientAddress,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (mut parts, body) = request.into_parts();
    let body = if body.is_end_stream() {
        Bytes::new()
    } else {
        match Limited::new(body, MAX_BODY_BYTES).collect().await {
            Ok(body) => body.to_bytes(),
            Err(_) => return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 8 MiB\n".to_owned())),
        }
    };
    parts.extensions.insert(from);
    Ok(match router.route(Request::from_parts(parts, body)).await {
        Ok(answer) => answer.map(Full::new),
        Err(error) => plain(StatusCode::BAD_GATEWAY, format!("{error}\n")),
    })
}

fn plain(code: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

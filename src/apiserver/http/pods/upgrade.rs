//! Leaving HTTP: which protocol the client wants, and taking its connection over.

use super::not_upgraded;
use crate::apiserver::http::Call;
use crate::apiserver::http::answer::Answer;
use crate::apiserver::server::Server;
use crate::apiserver::status::Status;
use axum::body::Body;
use axum::response::Response;
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::{HeaderName, HeaderValue, StatusCode};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::future::Future;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

/// A connection that is no longer HTTP.
pub(super) type Wire = TokioIo<Upgraded>;
pub(super) type Socket = WebSocketStream<Wire>;

/// Largest message that is taken from a client; kubectl's and kube-rs' have 32 KiB.
const MAX_MESSAGE_BYTES: usize = 1 << 20;

const STREAM_PROTOCOL: HeaderName = HeaderName::from_static("x-stream-protocol-version");

/// What a client asks to speak.
pub(super) enum Wanted {
    WebSocket(Vec<String>),
    Spdy(Vec<String>),
}

impl Wanted {
    pub(super) fn of(call: &Call) -> Result<Self, Status> {
        let listed = |name: &HeaderName| {
            let values = call.headers.get_all(name).iter().filter_map(|it| it.to_str().ok());
            values.flat_map(|it| it.split(',')).map(|it| it.trim().to_owned()).collect::<Vec<_>>()
        };
        let asks = listed(&CONNECTION).iter().any(|it| it.eq_ignore_ascii_case("upgrade"));
        match call.header(&UPGRADE).to_ascii_lowercase().as_str() {
            "websocket" if asks && call.headers.contains_key(SEC_WEBSOCKET_KEY) => {
                Ok(Self::WebSocket(listed(&SEC_WEBSOCKET_PROTOCOL)))
            }
            "spdy/3.1" if asks => Ok(Self::Spdy(listed(&STREAM_PROTOCOL))),
            _ => Err(not_upgraded()),
        }
    }
}

fn value(text: &str) -> Result<HeaderValue, Status> {
    HeaderValue::from_str(text).map_err(|it| Status::bad_request(it.to_string()))
}

/// Answers 101, and then gives the connection to `serve`, which ends with the server at the latest.
fn switch<F: Future<Output = ()> + Send + 'static>(
    server: &Server,
    call: &mut Call,
    protocol: &'static str,
    serve: impl FnOnce(Wire) -> F + Send + 'static,
) -> Result<Response, Status> {
    // In process there is no connection to take over.
    let upgrade = call.upgrade.take().ok_or_else(not_upgraded)?;
    let stopped = server.stopped();
    tokio::spawn(stopped.run_until_cancelled_owned(async move {
        match upgrade.await {
            Ok(wire) => serve(TokioIo::new(wire)).await,
            Err(error) => tracing::debug!(%error, "the client left before its connection was upgraded"),
        }
    }));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static(protocol));
    Ok(response)
}

pub(super) fn to_web_socket<F: Future<Output = ()> + Send + 'static>(
    server: &Server,
    call: &mut Call,
    protocol: &str,
    serve: impl FnOnce(Socket) -> F + Send + 'static,
) -> Result<Answer, Status> {
    let accept = derive_accept_key(call.header(&SEC_WEBSOCKET_KEY).as_bytes());
    let mut response = switch(server, call, "websocket", |wire| async move {
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_MESSAGE_BYTES));
        serve(WebSocketStream::from_raw_socket(wire, Role::Server, Some(config)).await).await;
    })?;
    response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, value(&accept)?);
    response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, value(protocol)?);
    Ok(Answer::Raw(response))
}

pub(super) fn to_spdy<F: Future<Output = ()> + Send + 'static>(
    server: &Server,
    call: &mut Call,
    protocol: &str,
    serve: impl FnOnce(Wire) -> F + Send + 'static,
) -> Result<Answer, Status> {
    let mut response = switch(server, call, "SPDY/3.1", serve)?;
    response.headers_mut().insert(STREAM_PROTOCOL, value(protocol)?);
    Ok(Answer::Raw(response))
}

//! On the wall clock the three endpoints are also served on loopback, so that kubectl, Grafana or a browser can join.

use crate::event::{LabStep, StepState};
use crate::lab::Progress;
use crate::sys::http::SharedHttp;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Largest body of a request that enters the lab from outside.
const MAX_BODY_BYTES: usize = 8 << 20;
/// The router has its own, shorter limits.
const GIVE_UP_AFTER: Duration = Duration::from_mins(10);

/// Serves `router` on a free loopback port and says where.
pub(crate) async fn on_loopback(
    tasks: &mut JoinSet<()>,
    name: &str,
    router: Router,
    progress: &Progress,
) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tasks.spawn(async move {
        // It ends with an error only when the listener breaks; then nobody can be told but the caller who fails to connect.
        let _ = axum::serve(listener, router).await;
    });
    progress(LabStep { name: format!("serve {name}"), state: StepState::Done, detail: format!("http://{address}") });
    Ok(address)
}

/// A server in front of an address of the lab's own network.
pub(crate) fn entry(http: SharedHttp, address: String) -> Router {
    Router::new().fallback(forward).with_state((http, address))
}

async fn forward(State((http, address)): State<(SharedHttp, String)>, request: Request<Body>) -> Response {
    let (mut parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 8 MiB\n").into_response();
    };
    let path = parts.uri.path_and_query().map_or("/", |it| it.as_str());
    let Ok(uri) = format!("{address}{path}").parse() else {
        return (StatusCode::BAD_REQUEST, "the path is not a URI\n").into_response();
    };
    parts.uri = uri;
    match http.send(http::Request::from_parts(parts, body), GIVE_UP_AFTER).await {
        Ok(answer) => answer.map(Body::from).into_response(),
        Err(error) => (StatusCode::BAD_GATEWAY, format!("{error}\n")).into_response(),
    }
}

//! Servers in front of addresses of the lab's own network.

use crate::cluster::Client;
use crate::sys::http::SharedHttp;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use std::time::Duration;

/// Largest body of a request that enters the lab from outside.
const MAX_BODY_BYTES: usize = 8 << 20;
/// The router has its own, shorter limits.
const GIVE_UP_AFTER: Duration = Duration::from_mins(10);
/// Where the built-in controller runs, as `manifests/flagger/flagger.yaml` says.
const CONTROLLER_NAMESPACE: &str = "flagger-system";
const CONTROLLER_LABELS: &str = "app=flagger";
const CONTROLLER_PORT: u16 = 8080;

/// Carries every request to `address`, a base URL in the lab.
pub(crate) fn to_address(http: SharedHttp, address: &'static str) -> Router {
    Router::new().fallback(async move |request: Request| forward(&http, address, request).await)
}

/// Carries every request to the pod that the canary controller runs in at that moment. It has no Service, as in the
/// real Flagger's chart.
pub(crate) fn to_controller(http: SharedHttp, cluster: Client) -> Router {
    Router::new().fallback(controller).with_state((http, cluster))
}

async fn controller(State((http, cluster)): State<(SharedHttp, Client)>, request: Request) -> Response {
    let pods = cluster.list("v1", "Pod", Some(CONTROLLER_NAMESPACE), Some(CONTROLLER_LABELS)).await;
    let running = pods.unwrap_or_default().into_iter().find(|it| it["status"]["phase"] == "Running");
    let Some(name) = running.as_ref().and_then(|it| it["metadata"]["name"].as_str()) else {
        return (StatusCode::SERVICE_UNAVAILABLE, "the canary controller does not run now\n").into_response();
    };
    forward(&http, &format!("http://{name}.{CONTROLLER_NAMESPACE}.pod:{CONTROLLER_PORT}"), request).await
}

/// An HTTP proxy (RFC 9112, absolute form) into the network that `http` sees. It opens no tunnels: `CONNECT` is refused.
pub(crate) fn proxy(http: SharedHttp) -> Router {
    Router::new().fallback(async move |request: Request| {
        let uri = request.uri().clone();
        if uri.scheme_str() == Some("http") {
            return send(&http, uri, request).await;
        }
        let why = "this is an HTTP proxy: it takes `GET http://name/path`, no tunnels and no paths of its own\n";
        (StatusCode::BAD_REQUEST, why).into_response()
    })
}

async fn forward(http: &SharedHttp, address: &str, request: Request) -> Response {
    let path = request.uri().path_and_query().map_or("/", |it| it.as_str());
    match format!("{address}{path}").parse() {
        Ok(uri) => send(http, uri, request).await,
        Err(_) => (StatusCode::BAD_REQUEST, "the path is not a URI\n").into_response(),
    }
}

async fn send(http: &SharedHttp, uri: Uri, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 8 MiB, or stopped coming\n").into_response();
    };
    parts.uri = uri;
    match http.send(http::Request::from_parts(parts, body), GIVE_UP_AFTER).await {
        Ok(answer) => answer.map(Body::from).into_response(),
        Err(error) => (StatusCode::BAD_GATEWAY, format!("{error}\n")).into_response(),
    }
}

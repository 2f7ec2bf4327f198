//! Health, lifecycle, what administrators may do, and the process' own metrics.

use super::answer::respond;
use super::params::Params;
use super::{Api, ApiError, federate, status};
use axum::Router;
use axum::extract::RawQuery;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect};
use axum::routing::{MethodRouter, get, post};

pub(super) fn routes(api: &Api) -> Router {
    let text = |text: &'static str| get(move || async move { text });
    let version = || async { ([(header::CONTENT_TYPE, "application/json")], status::version().to_string() + "\n") };
    Router::new()
        .route("/", get(|| async { (StatusCode::FOUND, Redirect::to("/query")).1 }))
        .route("/-/ready", text("Prometheus Server is Ready.\n"))
        .route("/-/healthy", text("Prometheus Server is Healthy.\n"))
        .route("/-/reload", reload(api))
        .route("/-/quit", quit(api))
        .route("/version", get(version))
        .route("/metrics", metrics(api))
        .route("/federate", federated(api))
        .route("/api/v1/admin/tsdb/delete_series", admin())
        .route("/api/v1/admin/tsdb/clean_tombstones", admin())
        .route("/api/v1/admin/tsdb/snapshot", admin())
        .route("/api/v1/write", disabled("remote write", "web.enable-remote-write-receiver"))
        .route("/api/v1/otlp/v1/metrics", disabled("otlp write", "web.enable-otlp-receiver"))
}

const ONLY_POST: (StatusCode, &str) = (StatusCode::METHOD_NOT_ALLOWED, "Only POST or PUT requests allowed");
const NO_LIFECYCLE: (StatusCode, &str) = (StatusCode::FORBIDDEN, "Lifecycle API is not enabled.");

fn reload(api: &Api) -> MethodRouter {
    let api = api.clone();
    let handle = move || {
        let api = api.clone();
        async move {
            if !api.settings.lifecycle {
                return NO_LIFECYCLE.into_response();
            }
            match api.host.reload().await {
                Ok(()) => StatusCode::OK.into_response(),
                Err(reason) => {
                    let text = format!("failed to reload config: {reason}\n");
                    (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
                }
            }
        }
    };
    post(handle.clone()).put(handle).get(|| async { ONLY_POST })
}

fn quit(api: &Api) -> MethodRouter {
    let api = api.clone();
    let handle = move || {
        let answer = if api.settings.lifecycle {
            api.host.quit();
            (StatusCode::OK, "Requesting termination... Goodbye!")
        } else {
            NO_LIFECYCLE
        };
        async move { answer }
    };
    post(handle.clone()).put(handle).get(|| async { ONLY_POST })
}

fn admin() -> MethodRouter {
    let refuse = || async { respond(Err(ApiError::unavailable("admin APIs disabled"))) };
    post(refuse).put(refuse)
}

fn disabled(what: &'static str, flag: &'static str) -> MethodRouter {
    post(move || async move { (StatusCode::NOT_FOUND, format!("{what} receiver needs to be enabled with --{flag}\n")) })
}

const TEXT_FORMAT: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8; escaping=underscores");

fn metrics(api: &Api) -> MethodRouter {
    let api = api.clone();
    get(move || {
        let text = api.counted.exposition(&api);
        async move { ([(header::CONTENT_TYPE, TEXT_FORMAT)], text) }
    })
}

fn federated(api: &Api) -> MethodRouter {
    let api = api.clone();
    get(move |RawQuery(query): RawQuery| {
        let answer = match federate::exposition(&api, &Params::read(query.as_deref(), &[])) {
            Ok(text) => ([(header::CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
            Err(reason) => (StatusCode::BAD_REQUEST, format!("{reason}\n")).into_response(),
        };
        async move { answer }
    })
}

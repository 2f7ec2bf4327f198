//! The HTTP API that Prometheus has, as an axum router over a [`Database`]: what Flagger, Grafana and a person with
//! `curl` speak to.
//!
//! In: requests, GET or POST form. Out: JSON in Prometheus' shape. Never: sockets (who has one serves the router), the
//! clock (`now` is given).

mod data;
mod json;
mod params;
mod query;

use super::database::Database;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use params::Params;
use std::fmt;
use std::sync::Arc;

/// The version that the API says it has: that of Prometheus whose behaviour is followed.
pub const PROMETHEUS_VERSION: &str = "3.14.0";

/// What the handlers share.
#[derive(Clone)]
struct Api {
    database: Database,
    now_ms: Arc<dyn Fn() -> i64 + Send + Sync>,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}

/// Why a request has no answer: Prometheus' `errorType` with its status.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ApiError {
    kind: ErrorKind,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ErrorKind {
    BadData,
    Execution,
}

impl ErrorKind {
    fn name(self) -> &'static str {
        match self {
            Self::BadData => "bad_data",
            Self::Execution => "execution",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::BadData => StatusCode::BAD_REQUEST,
            Self::Execution => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }
}

impl ApiError {
    fn bad(text: impl Into<String>) -> Self {
        Self { kind: ErrorKind::BadData, text: text.into() }
    }

    fn parameter(name: &str, reason: impl fmt::Display) -> Self {
        Self::bad(format!("invalid parameter {name:?}: {reason}"))
    }
}

/// The `data` of an answer, as JSON.
type Answer = Result<String, ApiError>;

/// The API over `database`; `now_ms` gives the time (milliseconds since 1970) of queries that name none.
pub fn router(database: Database, now_ms: impl Fn() -> i64 + Send + Sync + 'static) -> Router {
    let api = Api { database, now_ms: Arc::new(now_ms) };
    let plain = |text: &'static str| get(move || async move { text });
    Router::new()
        .route("/api/v1/query", endpoint(&api, query::instant))
        .route("/api/v1/query_range", endpoint(&api, query::range))
        .route("/api/v1/series", endpoint(&api, data::series))
        .route("/api/v1/labels", endpoint(&api, data::labels))
        .route("/api/v1/label/{name}/values", label_values(&api))
        .route("/api/v1/metadata", endpoint(&api, data::metadata))
        .route("/api/v1/targets", endpoint(&api, |api, params| Ok(data::targets(api, params))))
        .route("/api/v1/rules", endpoint(&api, data::rules))
        .route("/api/v1/alerts", endpoint(&api, |api, _| Ok(data::alerts(api))))
        .route("/api/v1/status/buildinfo", endpoint(&api, |_, _| Ok(data::build_info())))
        .route("/-/ready", plain("Prometheus Server is Ready.\n"))
        .route("/-/healthy", plain("Prometheus Server is Healthy.\n"))
}

/// One path, by GET with a query or by POST with a form.
fn endpoint(api: &Api, handler: fn(&Api, &Params) -> Answer) -> MethodRouter {
    let api = api.clone();
    let handle = move |RawQuery(query): RawQuery, body: Bytes| {
        let answer = respond(handler(&api, &Params::read(query.as_deref(), &body)));
        async move { answer }
    };
    get(handle.clone()).post(handle)
}

fn label_values(api: &Api) -> MethodRouter {
    let api = api.clone();
    get(move |Path(name): Path<String>, RawQuery(query): RawQuery| {
        let answer = respond(data::label_values(&api, &name, &Params::read(query.as_deref(), &[])));
        async move { answer }
    })
}

fn respond(answer: Answer) -> Response {
    let (status, body) = match answer {
        Ok(data) => (StatusCode::OK, format!("{{\"status\":\"success\",\"data\":{data}}}")),
        Err(ApiError { kind, text }) => {
            let body = serde_json::json!({"status": "error", "errorType": kind.name(), "error": text});
            (kind.status(), body.to_string())
        }
    };
    let json = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, json)], body).into_response()
}

#[cfg(test)]
mod tests;

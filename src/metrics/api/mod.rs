//! The HTTP API that Prometheus 3.14 has, as an axum router over a [`Database`]: what Flagger, Grafana, promtool and a
//! person with `curl` speak to.
//!
//! Answers, error types, status codes and texts are those of Prometheus; `tests/it/metrics` asks both. Queries are
//! evaluated one at a time, within the limits of [`Settings`].
//!
//! In: requests, GET or POST form. Out: JSON in Prometheus' shape. Never: sockets (who has one serves the router), the
//! clock (`now` is given).

mod answer;
mod data;
mod federate;
mod json;
mod manage;
mod own;
mod params;
mod query;
mod rules;
mod status;
mod targets;

use super::database::Database;
use super::promql;
use answer::{ApiError, Handled};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, Request};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use futures_util::future::{BoxFuture, FutureExt};
use own::Counted;
use params::Params;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The version that the API says it has: that of Prometheus whose behaviour is followed.
pub const PROMETHEUS_VERSION: &str = "3.14.0";
/// How long a query may take when nothing else is said (Prometheus' `--query.timeout`), in milliseconds.
pub const QUERY_TIMEOUT_MS: i64 = 120_000;
/// How many queries are evaluated at once.
pub const MAX_CONCURRENT_QUERIES: usize = 1;

/// What a Prometheus is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long a query may take, in milliseconds.
    pub timeout_ms: i64,
    /// How many samples a query may load and make.
    pub max_samples: usize,
    /// How far back an instant selector looks, in milliseconds.
    pub lookback_ms: i64,
    /// Whether `/-/reload` and `/-/quit` do anything.
    pub lifecycle: bool,
    /// All flags, as `/api/v1/status/flags` shows them.
    pub flags: BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeout_ms: QUERY_TIMEOUT_MS,
            max_samples: promql::MAX_QUERY_SAMPLES,
            lookback_ms: promql::LOOKBACK_MS,
            lifecycle: false,
            flags: BTreeMap::new(),
        }
    }
}

/// What the API knows of the process it speaks for.
pub trait Host: Send + Sync {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> i64;

    /// When the process began, in milliseconds since 1970.
    fn started_ms(&self) -> i64;

    /// When the configuration was last read, in milliseconds since 1970, and whether that went well.
    fn loaded(&self) -> (i64, bool) {
        (self.started_ms(), true)
    }

    /// The name of the machine.
    fn hostname(&self) -> String {
        String::new()
    }

    /// The configuration in force, as YAML.
    fn config(&self) -> String {
        String::new()
    }

    /// Labels that federation adds.
    fn external_labels(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    /// Reads the configuration again; says why it could not.
    fn reload(&self) -> BoxFuture<'_, Result<(), String>> {
        async { Ok(()) }.boxed()
    }

    /// Ends the process.
    fn quit(&self) {}
}

/// A host that has nothing but a clock, which began to run now.
struct Bare<F> {
    now_ms: F,
    started_ms: i64,
}

impl<F: Fn() -> i64 + Send + Sync> Host for Bare<F> {
    fn now_ms(&self) -> i64 {
        (self.now_ms)()
    }

    fn started_ms(&self) -> i64 {
        self.started_ms
    }
}

/// What the handlers share.
#[derive(Clone)]
struct Api {
    database: Database,
    host: Arc<dyn Host>,
    settings: Arc<Settings>,
    counted: Arc<Counted>,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// The API over `database` with default settings; `now_ms` gives the time (milliseconds since 1970) of queries that name
/// none.
pub fn router(database: Database, now_ms: impl Fn() -> i64 + Send + Sync + 'static) -> Router {
    let started_ms = now_ms();
    with_host(database, Arc::new(Bare { now_ms, started_ms }), Settings::default())
}

/// The API over `database`.
pub fn with_host(database: Database, host: Arc<dyn Host>, settings: Settings) -> Router {
    let api = Api { database, host, settings: Arc::new(settings), counted: Arc::new(Counted::default()) };
    let counted = api.counted.clone();
    queries(&api)
        .merge(objects(&api))
        .merge(statuses(&api))
        .merge(manage::routes(&api))
        .fallback(|| async { (StatusCode::NOT_FOUND, "404 page not found\n") })
        .layer(axum::middleware::from_fn(move |request: Request, next: Next| {
            let counted = counted.clone();
            async move { counted.around(request, next).await }
        }))
}

fn queries(api: &Api) -> Router {
    Router::new()
        .route("/api/v1/query", form(api, query::instant))
        .route("/api/v1/query_range", form(api, query::range))
        .route("/api/v1/query_exemplars", form(api, query::exemplars))
        .route("/api/v1/format_query", form(api, query::format))
        .route("/api/v1/parse_query", form(api, query::parse))
        .route("/api/v1/series", form(api, data::series))
        .route("/api/v1/labels", form(api, data::labels))
        .route("/api/v1/label/{name}/values", label_values(api))
}

fn objects(api: &Api) -> Router {
    Router::new()
        .route("/api/v1/metadata", plain(api, targets::metadata))
        .route("/api/v1/targets", plain(api, targets::targets))
        .route("/api/v1/targets/metadata", plain(api, targets::target_metadata))
        .route("/api/v1/scrape_pools", plain(api, targets::scrape_pools))
        .route("/api/v1/alertmanagers", plain(api, targets::alertmanagers))
        .route("/api/v1/rules", plain(api, rules::rules))
        .route("/api/v1/alerts", plain(api, rules::alerts))
}

fn statuses(api: &Api) -> Router {
    Router::new()
        .route("/api/v1/status/buildinfo", plain(api, status::build_info))
        .route("/api/v1/status/runtimeinfo", plain(api, status::runtime_info))
        .route("/api/v1/status/config", plain(api, status::config))
        .route("/api/v1/status/flags", plain(api, status::flags))
        .route("/api/v1/status/tsdb", plain(api, status::tsdb))
        .route("/api/v1/status/tsdb/blocks", plain(api, status::blocks))
        .route("/api/v1/status/walreplay", plain(api, status::wal_replay))
        .route("/api/v1/notifications", plain(api, status::notifications))
}

type Handler = fn(&Api, &Params) -> Handled;

/// One path, by GET with a query.
fn plain(api: &Api, handler: Handler) -> MethodRouter {
    let api = api.clone();
    let handle = move |RawQuery(query): RawQuery| {
        let answer = answer::respond(handler(&api, &Params::read(query.as_deref(), &[])));
        async move { answer }
    };
    get(handle).options(options)
}

/// One path, by GET with a query or by POST with a form.
fn form(api: &Api, handler: Handler) -> MethodRouter {
    let for_get = plain(api, handler);
    let api = api.clone();
    let handle = move |headers: HeaderMap, RawQuery(query): RawQuery, body: Bytes| {
        let answer = answer::respond(handler(&api, &Params::read(query.as_deref(), form_of(&headers, &body))));
        async move { answer }
    };
    for_get.post(handle)
}

/// The body, if it is a form.
fn form_of<'b>(headers: &HeaderMap, body: &'b Bytes) -> &'b [u8] {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") { body } else { &[] }
}

fn label_values(api: &Api) -> MethodRouter {
    let api = api.clone();
    get(move |Path(name): Path<String>, RawQuery(query): RawQuery| {
        let answer = answer::respond(data::label_values(&api, &name, &Params::read(query.as_deref(), &[])));
        async move { answer }
    })
    .options(options)
}

/// What a browser asks before it sends from another page.
async fn options() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// Lets pages of any origin read the answer, as Prometheus does when nothing else is said.
fn allow_origins(response: &mut Response) {
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "Accept, Authorization, Content-Type, Origin"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "Date"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
}

/// Whether the answer to this request may be read by pages of other origins.
fn is_cross_origin(method: &Method, headers: &HeaderMap, path: &str) -> bool {
    path.starts_with("/api/v1/") && (headers.contains_key(header::ORIGIN) || method == Method::OPTIONS)
}

#[cfg(test)]
mod tests;

//! The metrics of this Prometheus itself, under the names that it has.

use super::{Api, PROMETHEUS_VERSION, allow_origins, is_cross_origin};
use crate::metrics::Registry;
use crate::metrics::registry::{CounterVec, HistogramVec};
use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;

/// Limits of the query times, in seconds.
const QUERY_SECONDS: [f64; 8] = [0.001, 0.01, 0.1, 0.5, 1.0, 10.0, 60.0, 120.0];

/// What is counted as requests come.
#[derive(Debug)]
pub(super) struct Counted {
    registry: Registry,
    requests: CounterVec,
    queries: HistogramVec,
}

impl Default for Counted {
    fn default() -> Self {
        let registry = Registry::new();
        let requests =
            registry.counter_vec("prometheus_http_requests_total", "Counter of HTTP requests.", &["code", "handler"]);
        let help = "Histogram of the time that queries took.";
        let queries =
            registry.histogram_vec("prometheus_engine_query_duration_histogram_seconds", help, &[], &QUERY_SECONDS);
        Self { registry, requests, queries }
    }
}

impl Counted {
    /// Hands a request on and counts it. Pages of other origins may read what the API answers.
    pub(super) async fn around(&self, request: Request, next: Next) -> Response {
        let cross_origin = is_cross_origin(request.method(), request.headers(), request.uri().path());
        let matched = request.extensions().get::<MatchedPath>();
        let handler = matched.map_or_else(|| "/*".to_owned(), |it| it.as_str().replace("{name}", ":name"));
        let mut response = next.run(request).await;
        self.requests.with(&[response.status().as_str(), &handler]).inc();
        if cross_origin {
            allow_origins(&mut response);
        }
        response
    }

    /// A query took so many seconds.
    pub(super) fn query(&self, seconds: f64) {
        self.queries.with(&[]).observe(seconds);
    }

    /// All of them as text.
    pub(super) fn exposition(&self, api: &Api) -> String {
        let set = |name: &str, help: &str, value: f64| self.registry.gauge_vec(name, help, &[]).with(&[]).set(value);
        let build = "A metric with a constant '1' value labeled by version from which prometheus was built.";
        self.registry.gauge_vec("prometheus_build_info", build, &["version"]).with(&[PROMETHEUS_VERSION]).set(1.0);
        let (loaded_ms, well) = api.host.loaded();
        set(
            "prometheus_ready",
            "Whether Prometheus startup was fully completed and the server is ready for normal operation.",
            1.0,
        );
        set(
            "prometheus_config_last_reload_successful",
            "Whether the last configuration reload attempt was successful.",
            f64::from(u8::from(well)),
        );
        set(
            "prometheus_config_last_reload_success_timestamp_seconds",
            "Timestamp of the last successful configuration reload.",
            loaded_ms as f64 / 1000.0,
        );
        let (series, samples) = api.database.with_store(|store| (store.series_count(), store.sample_count()));
        set("prometheus_tsdb_head_series", "Total number of series in the head block.", series as f64);
        set("prometheus_tsdb_head_samples", "Total number of samples in the head block.", samples as f64);
        let help = "Current number of targets in this scrape pool.";
        let targets = self.registry.gauge_vec("prometheus_target_scrape_pool_targets", help, &["scrape_job"]);
        targets.clear();
        for pool in api.database.scrape_pools() {
            targets.with(&[&pool]).set(0.0);
        }
        for health in api.database.targets() {
            targets.with(&[&health.target.pool]).inc();
        }
        set(
            "process_start_time_seconds",
            "Start time of the process since unix epoch in seconds.",
            api.host.started_ms() as f64 / 1000.0,
        );
        self.registry.encode()
    }
}

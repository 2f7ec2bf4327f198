//! podinfo's own metrics, with its names, labels and buckets. The Go runtime's are left out: there is no such runtime.

use crate::metrics::registry::{Counter, DEFAULT_BUCKETS, Histogram};
use crate::metrics::registry::{CounterVec, HistogramVec, Registry};
use http::Method;
use jiff::Timestamp;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Series that are found without asking the registry; more than these are looked up there.
const MAX_HELD_SERIES: usize = 64;

#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    durations: HistogramVec,
    requests: CounterVec,
    held: Mutex<Vec<Held>>,
}

#[derive(Debug)]
struct Held {
    method: Method,
    label: &'static str,
    status: u16,
    duration: Histogram,
    requests: Counter,
}

impl Metrics {
    pub(super) fn new(started: Timestamp) -> Self {
        let registry = Registry::new();
        let durations = registry.histogram_vec(
            "http_request_duration_seconds",
            "Seconds spent serving HTTP requests.",
            &["method", "path", "status"],
            &DEFAULT_BUCKETS,
        );
        let requests = registry.counter_vec("http_requests_total", "The total number of HTTP requests.", &["status"]);
        registry
            .gauge_vec("process_start_time_seconds", "Start time of the process since unix epoch in seconds.", &[])
            .with(&[])
            .set(started.as_millisecond() as f64 / 1000.0);
        Self { registry, durations, requests, held: Mutex::default() }
    }

    /// Counts one answered request.
    pub(super) fn count(&self, method: &Method, label: &'static str, status: u16, took: Duration) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let known = held.iter().position(|it| it.status == status && it.label == label && it.method == *method);
        let place = known.unwrap_or_else(|| {
            if held.len() >= MAX_HELD_SERIES {
                held.remove(0);
            }
            let text = status.to_string();
            held.push(Held {
                method: method.clone(),
                label,
                status,
                duration: self.durations.with(&[method.as_str(), label, &text]),
                requests: self.requests.with(&[&text]),
            });
            held.len() - 1
        });
        held[place].duration.observe(took.as_secs_f64());
        held[place].requests.inc();
    }

    pub(super) fn text(&self) -> String {
        self.registry.encode()
    }
}

//! ingress-nginx' metrics of requests, with its names, labels and buckets.

use crate::metrics::registry::{Counter, CounterVec, DEFAULT_BUCKETS, Histogram, HistogramVec, Registry};
use crate::sys::http::Response;
use crate::traffic::demo::EXPOSITION;
use crate::traffic::route::{IngressLabels, RouteTable};
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Who the controller is: constant labels of its metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControllerIdentity {
    /// `k8s.io/ingress-nginx`
    pub class: String,
    pub namespace: String,
    pub pod: String,
}

impl Default for ControllerIdentity {
    fn default() -> Self {
        let text = str::to_owned;
        Self {
            class: text("k8s.io/ingress-nginx"),
            namespace: text("ingress-nginx"),
            pod: text("ingress-nginx-controller"),
        }
    }
}

/// `--length-buckets`: 10 to 100 bytes.
const LENGTH_BUCKETS: [f64; 10] = [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0];
/// `--size-buckets`: 10 bytes to 10 MB.
const SIZE_BUCKETS: [f64; 7] = [10.0, 100.0, 1e3, 1e4, 1e5, 1e6, 1e7];

const LABELS: [&str; 11] = [
    "controller_class",
    "controller_namespace",
    "controller_pod",
    "status",
    "method",
    "path",
    "namespace",
    "ingress",
    "service",
    "canary",
    "host",
];

/// Series that are found without asking the registry.
const MAX_HELD_SERIES: usize = 256;

pub(super) struct NginxMetrics {
    identity: ControllerIdentity,
    registry: Registry,
    requests: CounterVec,
    histograms: [HistogramVec; 7],
    held: Mutex<Vec<Held>>,
}

/// What one request is counted under.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) labels: Arc<IngressLabels>,
    pub(super) host: String,
    pub(super) method: Method,
    /// Name of the alternative upstream, or empty.
    pub(super) canary: String,
}

/// What is counted of it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Observed {
    pub(super) status: u16,
    pub(super) request_time: Duration,
    pub(super) request_length: usize,
    pub(super) bytes_sent: usize,
    /// Time spent with the upstream; none when there was none, or when there were several attempts: nginx then writes a
    /// list, which its collector cannot read.
    pub(super) response_time: Option<Duration>,
    /// Until the first header; none without an answer.
    pub(super) header_time: Option<Duration>,
}

struct Held {
    subject: Subject,
    status: u16,
    requests: Counter,
    /// In the order of [`NginxMetrics::histograms`].
    histograms: [Histogram; 7],
}

impl NginxMetrics {
    pub(super) fn new(identity: &ControllerIdentity) -> Self {
        let registry = Registry::new();
        let histogram = |name: &str, help: &str, buckets: &[f64]| {
            registry.histogram_vec(&format!("nginx_ingress_controller_{name}"), help, &LABELS, buckets)
        };
        let time = &DEFAULT_BUCKETS;
        let histograms = [
            histogram(
                "connect_duration_seconds",
                "The time spent on establishing a connection with the upstream server",
                time,
            ),
            histogram(
                "header_duration_seconds",
                "The time spent on receiving first header from the upstream server",
                time,
            ),
            histogram(
                "response_duration_seconds",
                "The time spent on receiving the response from the upstream server",
                time,
            ),
            // Its help says milliseconds; its name is right.
            histogram("request_duration_seconds", "The request processing time in milliseconds", time),
            histogram(
                "request_size",
                "The request length (including request line, header, and request body)",
                &LENGTH_BUCKETS,
            ),
            histogram(
                "response_size",
                "The response length (including request line, header, and request body)",
                &LENGTH_BUCKETS,
            ),
            histogram("bytes_sent", "DEPRECATED The number of bytes sent to a client", &SIZE_BUCKETS),
        ];
        let requests =
            registry.counter_vec("nginx_ingress_controller_requests", "The total number of client requests", &LABELS);
        registry
            .gauge_vec(
                "nginx_ingress_controller_config_last_reload_successful",
                "Whether the last configuration reload attempt was successful",
                &LABELS[..3],
            )
            .with(&[&identity.class, &identity.namespace, &identity.pod])
            .set(1.0);
        Self { identity: identity.clone(), registry, requests, histograms, held: Mutex::default() }
    }

    pub(super) fn pod(&self) -> &str {
        &self.identity.pod
    }

    pub(super) fn text(&self) -> String {
        self.registry.encode()
    }

    /// The controller's own port.
    pub(super) fn answer(&self, path: &str) -> Response {
        let mut response = match path {
            "/metrics" => Response::new(self.text().into()),
            "/healthz" => Response::new("ok".into()),
            _ => {
                let mut response = Response::new("404 page not found\n".into());
                *response.status_mut() = StatusCode::NOT_FOUND;
                response
            }
        };
        response.headers_mut().insert(CONTENT_TYPE, EXPOSITION);
        response
    }

    pub(super) fn count(&self, subject: &Subject, observed: &Observed) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let place = held.iter().position(|it| it.status == observed.status && it.subject.is(subject));
        let place = place.unwrap_or_else(|| {
            if held.len() >= MAX_HELD_SERIES {
                held.remove(0);
            }
            held.push(self.hold(subject, observed.status));
            held.len() - 1
        });
        let Held { requests, histograms: [connect, header, response, request, length, size, sent], .. } = &held[place];
        requests.inc();
        request.observe(whole_millis(observed.request_time));
        length.observe(observed.request_length as f64);
        size.observe(observed.bytes_sent as f64);
        sent.observe(observed.bytes_sent as f64);
        if let Some(time) = observed.response_time {
            // In process there is nothing to connect.
            connect.observe(0.0);
            response.observe(whole_millis(time));
        }
        if let Some(time) = observed.header_time {
            header.observe(whole_millis(time));
        }
    }

    fn hold(&self, subject: &Subject, status: u16) -> Held {
        let (identity, labels, text) = (&self.identity, &subject.labels, status.to_string());
        let values = [
            identity.class.as_str(),
            &identity.namespace,
            &identity.pod,
            &text,
            subject.method.as_str(),
            &labels.path,
            &labels.namespace,
            &labels.ingress,
            &labels.service,
            &subject.canary,
            &subject.host,
        ];
        Held {
            subject: subject.clone(),
            status,
            requests: self.requests.with(&values),
            histograms: self.histograms.each_ref().map(|family| family.with(&values)),
        }
    }

    /// Forgets the series of Ingresses that are gone.
    pub(super) fn keep_only(&self, table: &RouteTable) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let is_there = |labels: &IngressLabels| {
            labels.ingress.is_empty() || table.ingress_names().any(|it| it == (&labels.namespace, &labels.ingress))
        };
        held.retain(|it| {
            let stays = is_there(&it.subject.labels);
            if !stays {
                self.requests.remove_matching("ingress", &it.subject.labels.ingress);
                for family in &self.histograms {
                    family.remove_matching("ingress", &it.subject.labels.ingress);
                }
            }
            stays
        });
    }
}

impl Subject {
    fn is(&self, other: &Self) -> bool {
        self.canary == other.canary
            && self.method == other.method
            && self.host == other.host
            && (Arc::ptr_eq(&self.labels, &other.labels) || self.labels == other.labels)
    }
}

/// nginx' times have three digits, cut off.
fn whole_millis(time: Duration) -> f64 {
    time.as_millis() as f64 / 1000.0
}

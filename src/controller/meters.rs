//! Flagger's own Prometheus metrics. Their label `name` is the target's name, not the Canary's.

use crate::canary::Meter;
use crate::metrics::Registry;
use crate::metrics::registry::{CounterVec, DEFAULT_BUCKETS, GaugeVec, HistogramVec};
use std::time::Duration;

/// The series, and the registry that writes them.
#[derive(Debug)]
pub(super) struct Meters {
    registry: Registry,
    total: GaugeVec,
    status: GaugeVec,
    weight: GaugeVec,
    duration: HistogramVec,
    analysis: GaugeVec,
    successes: CounterVec,
    failures: CounterVec,
    lost_events: CounterVec,
}

/// Whose series: the target's name and the namespace.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) name: &'a str,
    pub(super) namespace: &'a str,
}

impl Meters {
    pub(super) fn new(version: &str, mesh_provider: &str) -> Self {
        let registry = Registry::new();
        let counted = ["name", "namespace", "deployment_strategy", "analysis_status"];
        let gauge = |name: &str, help: &str, labels: &[&str]| registry.gauge_vec(name, help, labels);
        let counter = |name: &str, help: &str, labels: &[&str]| registry.counter_vec(name, help, labels);
        gauge("flagger_info", "Flagger version and mesh provider information", &["version", "mesh_provider"])
            .with(&[version, mesh_provider])
            .set(1.0);
        Self {
            total: gauge("flagger_canary_total", "Total number of canary object", &["namespace"]),
            status: gauge("flagger_canary_status", "Last canary analysis result", &["name", "namespace"]),
            weight: gauge(
                "flagger_canary_weight",
                "The virtual service destination weight current value",
                &["workload", "namespace"],
            ),
            duration: registry.histogram_vec(
                "flagger_canary_duration_seconds",
                "Seconds spent performing canary analysis.",
                &["name", "namespace"],
                &DEFAULT_BUCKETS,
            ),
            analysis: gauge(
                "flagger_canary_metric_analysis",
                "Last canary analysis result per metric",
                &["name", "namespace", "metric"],
            ),
            successes: counter("flagger_canary_successes_total", "Total number of canary successes", &counted),
            failures: counter("flagger_canary_failures_total", "Total number of canary failures", &counted),
            lost_events: counter(
                "coalmine_controller_events_lost_total",
                "Kubernetes Events that were not delivered; the log has them",
                &["namespace", "cause"],
            ),
            registry,
        }
    }

    /// The text that a scrape of `/metrics` reads.
    pub(super) fn encode(&self) -> String {
        self.registry.encode()
    }

    /// How many Canaries a namespace has. Stays when the last one is deleted, as in Flagger.
    pub(super) fn set_total(&self, namespace: &str, canaries: usize) {
        self.total.with(&[namespace]).set(canaries as f64);
    }

    /// A change that the judge told. [`Meter::ObserveDuration`] is the driver's to measure and changes nothing here.
    pub(super) fn apply(&self, target: Target<'_>, meter: &Meter) {
        let Target { name, namespace } = target;
        match meter {
            Meter::Status { value } => self.status.with(&[name, namespace]).set(*value as f64),
            Meter::Weight { primary, canary } => {
                self.weight.with(&[&format!("{name}-primary"), namespace]).set(*primary as f64);
                self.weight.with(&[name, namespace]).set(*canary as f64);
            }
            Meter::Analysis { metric, value } => self.analysis.with(&[name, namespace, metric]).set(*value),
            Meter::ObserveDuration => {}
            Meter::Succeeded { strategy, analysis } => {
                self.successes.with(&[name, namespace, strategy.name(), analysis.name()]).inc();
            }
            Meter::Failed { strategy, analysis } => {
                self.failures.with(&[name, namespace, strategy.name(), analysis.name()]).inc();
            }
        }
    }

    /// How long one analysis tick took.
    pub(super) fn observe_duration(&self, target: Target<'_>, took: Duration) {
        self.duration.with(&[target.name, target.namespace]).observe(took.as_secs_f64());
    }

    /// A Kubernetes Event that did not reach the API: `cause` is `spam filter`, `queue full` or `refused`.
    pub(super) fn lose_event(&self, namespace: &str, cause: &str) {
        self.lost_events.with(&[namespace, cause]).inc();
    }
}

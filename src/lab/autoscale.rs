//! What the autoscaler asks, answered from the lab's own metrics.

use crate::metrics::{Database, Value as Answer};
use crate::sys::clock::Clock;
use crate::workload::MetricSource;
use serde_json::Value;

/// A namespace's and a name's quotes and backslashes would end the string; Kubernetes allows neither in names.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// Requests of the demo app, as Prometheus scraped them.
pub(crate) struct RequestMetrics {
    pub database: Database,
    pub clock: Clock,
}

impl RequestMetrics {
    fn one(&self, query: &str) -> Option<f64> {
        match self.database.instant(query, self.clock.now().as_millisecond()) {
            Ok(Answer::Vector(samples)) => samples.first().map(|it| it.value).filter(|it| it.is_finite()),
            _ => None,
        }
    }

    fn selector(selector: &Value) -> String {
        let labels = selector["matchLabels"].as_object();
        let labels = labels.into_iter().flatten();
        labels.map(|(k, v)| format!(", {k}=\"{}\"", quoted(v.as_str().unwrap_or_default()))).collect()
    }
}

impl MetricSource for RequestMetrics {
    fn requests_per_second(&self, namespace: &str, pod: &str) -> Option<f64> {
        self.one(&format!(
            r#"sum(rate(http_requests_total{{kubernetes_namespace="{}", kubernetes_pod_name="{}"}}[30s]))"#,
            quoted(namespace),
            quoted(pod)
        ))
    }

    fn pod_metric(&self, namespace: &str, pod: &str, name: &str, selector: &Value) -> Option<f64> {
        self.one(&format!(
            r#"sum({name}{{kubernetes_namespace="{}", kubernetes_pod_name="{}"{}}})"#,
            quoted(namespace),
            quoted(pod),
            Self::selector(selector)
        ))
    }

    fn object_metric(&self, namespace: &str, object: &Value, name: &str, selector: &Value) -> Result<f64, String> {
        let (kind, of) = (object["kind"].as_str().unwrap_or_default(), object["name"].as_str().unwrap_or_default());
        let query = format!(
            r#"sum({name}{{namespace="{}", {}="{}"{}}})"#,
            quoted(namespace),
            kind.to_lowercase(),
            quoted(of),
            Self::selector(selector)
        );
        self.one(&query).ok_or_else(|| format!("the server could not find the metric {name} for {kind} {of}"))
    }

    fn external_metric(&self, namespace: &str, name: &str, selector: &Value) -> Result<f64, String> {
        let query = format!(r#"sum({name}{{namespace="{}"{}}})"#, quoted(namespace), Self::selector(selector));
        self.one(&query).ok_or_else(|| format!("no matching metrics found for {name}"))
    }
}

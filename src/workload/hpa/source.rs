//! Where the autoscaler's numbers come from.

use serde_json::Value;

/// Millicores that an idle demo app uses.
pub const IDLE_MILLICORES: f64 = 2.0;

/// Millicores for each request per second: half a millisecond of processor time for one small answer, logging included.
pub const MILLICORES_PER_REQUEST_PER_SECOND: f64 = 0.5;

/// What every container is said to hold in memory, idle or not: about what podinfo does. **Simulated**, and nothing scales by it.
pub const IDLE_MEMORY_BYTES: u64 = 20 << 20;

/// The time that [`MetricSource::requests_per_second`] looks back on, in seconds.
pub const WINDOW_SECONDS: u64 = 30;

/// **Simulated**: no process of the embedded lab has a processor of its own, so its use is estimated from the requests
/// it serves, as a straight line. Real podinfo has the same shape and other numbers.
#[must_use]
pub fn cpu_millicores(requests_per_second: f64) -> f64 {
    IDLE_MILLICORES + MILLICORES_PER_REQUEST_PER_SECOND * requests_per_second.max(0.0)
}

/// Gives what the metrics APIs of a real cluster would.
///
/// `selector` is a `metav1.LabelSelector` value or null. Errors are sentences; they reach the HPA's conditions.
pub trait MetricSource: Send + Sync {
    /// Requests per second that a pod has served lately (about 30 s); none when it has no numbers yet.
    fn requests_per_second(&self, namespace: &str, pod: &str) -> Option<f64>;

    /// A metric of one pod (`type: Pods`); none when the pod does not report it.
    fn pod_metric(&self, namespace: &str, pod: &str, name: &str, selector: &Value) -> Option<f64>;

    /// A metric of one object (`type: Object`); `object` is `describedObject`.
    fn object_metric(&self, namespace: &str, object: &Value, name: &str, selector: &Value) -> Result<f64, String>;

    /// The sum of an external metric's values (`type: External`).
    fn external_metric(&self, namespace: &str, name: &str, selector: &Value) -> Result<f64, String>;
}

/// Has no numbers for anyone: HPAs stay where they are and say so.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMetrics;

impl MetricSource for NoMetrics {
    fn requests_per_second(&self, _: &str, _: &str) -> Option<f64> {
        None
    }

    fn pod_metric(&self, _: &str, _: &str, _: &str, _: &Value) -> Option<f64> {
        None
    }

    fn object_metric(&self, _: &str, _: &Value, name: &str, _: &Value) -> Result<f64, String> {
        Err(format!("no source for the object metric {name}"))
    }

    fn external_metric(&self, _: &str, name: &str, _: &Value) -> Result<f64, String> {
        Err(format!("no source for the external metric {name}"))
    }
}

//! The HorizontalPodAutoscaler, with metrics that the test sets.

use super::cluster::{Cluster, condition, deployment};
use coalmine::workload::MetricSource;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// Requests per second that each pod serves, and the values of everything else.
#[derive(Default)]
struct Load {
    per_pod: Mutex<Option<f64>>,
    other: Mutex<Option<f64>>,
}

impl Load {
    fn set(&self, requests_per_second: f64) {
        *self.per_pod.lock().unwrap() = Some(requests_per_second);
    }

    fn other(&self) -> Result<f64, String> {
        self.other.lock().unwrap().ok_or_else(|| "no such metric".to_owned())
    }
}

impl MetricSource for Load {
    fn requests_per_second(&self, _: &str, _: &str) -> Option<f64> {
        *self.per_pod.lock().unwrap()
    }

    fn pod_metric(&self, _: &str, _: &str, _: &str, _: &Value) -> Option<f64> {
        self.other().ok()
    }

    fn object_metric(&self, _: &str, _: &Value, _: &str, _: &Value) -> Result<f64, String> {
        self.other()
    }

    fn external_metric(&self, _: &str, _: &str, _: &Value) -> Result<f64, String> {
        self.other()
    }
}

fn cluster(metric: &Value, replicas: i64) -> (Cluster, Arc<Load>) {
    let load = Arc::new(Load::default());
    let it = Cluster::with_metrics(9, Arc::clone(&load) as _);
    let mut app = deployment(replicas, "1");
    app["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "100m"}});
    it.create("deployments.apps", app);
    it.create(
        "horizontalpodautoscalers.autoscaling",
        json!({
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "app", "namespace": "test"},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"},
                "minReplicas": 1,
                "maxReplicas": 6,
                "metrics": [metric],
            },
        }),
    );
    (it, load)
}

fn cpu(percent: i64) -> Value {
    json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": percent}}})
}

fn replicas(it: &Cluster) -> i64 {
    it.get("deployments.apps", "app")["spec"]["replicas"].as_i64().expect("a number")
}

fn autoscaler(it: &Cluster) -> Arc<Value> {
    it.get("horizontalpodautoscalers.autoscaling", "app")
}

#[tokio::test(start_paused = true)]
async fn it_grows_with_the_load_and_shrinks_five_minutes_after_it() {
    let (it, load) = cluster(&cpu(50), 2);
    // 96 requests per second are 50 millicores: half of the request.
    load.set(96.0);
    it.pass(90.0).await;
    assert_eq!(replicas(&it), 2, "{:#}", autoscaler(&it));
    load.set(196.0);
    it.pass(16.0).await;
    assert_eq!(replicas(&it), 4, "twice the use, {:#}", autoscaler(&it));
    let grown =
        "1x SuccessfulRescale: New size: 4; reason: cpu resource utilization (percentage of request) above target";
    assert!(
        it.events("HorizontalPodAutoscaler").contains(&grown.to_owned()),
        "{:#?}",
        it.events("HorizontalPodAutoscaler")
    );
    load.set(10.0);
    it.pass(280.0).await;
    assert_eq!(replicas(&it), 4, "not yet");
    assert!(condition(&autoscaler(&it), "AbleToScale").starts_with("True/ScaleDownStabilized/"));
    it.pass(60.0).await;
    assert_eq!(replicas(&it), 1);
    let shrunk = "1x SuccessfulRescale: New size: 1; reason: All metrics below target".to_owned();
    assert!(it.events("HorizontalPodAutoscaler").contains(&shrunk), "{:#?}", it.events("HorizontalPodAutoscaler"));
    let status = autoscaler(&it);
    assert_eq!(status["status"]["currentMetrics"][0]["resource"]["current"]["averageUtilization"], 7);
}

#[tokio::test(start_paused = true)]
async fn a_target_at_zero_is_left_alone() {
    let (it, load) = cluster(&cpu(50), 0);
    load.set(1_000.0);
    it.pass(60.0).await;
    assert_eq!(replicas(&it), 0);
    let active = condition(&autoscaler(&it), "ScalingActive");
    assert_eq!(active, "False/ScalingDisabled/scaling is disabled since the replica count of the target is zero");
}

#[tokio::test(start_paused = true)]
async fn bounds_hold_without_metrics_and_a_mute_metric_changes_nothing() {
    let (it, _) = cluster(&cpu(50), 9);
    it.pass(16.0).await;
    assert_eq!(replicas(&it), 6);
    let reason =
        "1x SuccessfulRescale: New size: 6; reason: Current number of replicas above Spec.MaxReplicas".to_owned();
    assert!(it.events("HorizontalPodAutoscaler").contains(&reason));
    it.pass(60.0).await;
    assert_eq!(replicas(&it), 6);
    let active = condition(&autoscaler(&it), "ScalingActive");
    assert_eq!(
        active,
        "False/FailedGetResourceMetric/the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource metrics API"
    );
}

#[tokio::test(start_paused = true)]
async fn other_kinds_of_metrics_count_too() {
    let average = json!({"type": "AverageValue", "averageValue": "100"});
    for (case, metric, value, expected) in [
        ("pods", json!({"type": "Pods", "pods": {"metric": {"name": "x"}, "target": average}}), 200.0, 4),
        (
            "object",
            json!({"type": "Object", "object": {
                "metric": {"name": "x"},
                "describedObject": {"apiVersion": "v1", "kind": "Service", "name": "app"},
                "target": {"type": "Value", "value": "100"},
            }}),
            150.0,
            3,
        ),
        ("external", json!({"type": "External", "external": {"metric": {"name": "x"}, "target": average}}), 500.0, 5),
    ] {
        let (it, load) = cluster(&metric, 2);
        it.pass(46.0).await;
        *load.other.lock().unwrap() = Some(value);
        // One pass of the autoscaler; with more, an average that stays high would grow on.
        it.pass(15.0).await;
        // A release without a behavior allows four pods at once from two.
        assert_eq!(replicas(&it), if expected > 4 { 4 } else { expected }, "{case}: {:#}", autoscaler(&it));
    }
}

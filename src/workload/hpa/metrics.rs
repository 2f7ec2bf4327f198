//! One entry of `spec.metrics`: what it asks for now, and how its state is told.

use super::replicas::{PodState, Proposal, Target, of_average, of_pods, of_value};
use super::source::{MetricSource, cpu_millicores};
use crate::workload::json::{part, text};
use crate::workload::quantity;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What one metric says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    pub(super) replicas: i64,
    /// As it stands in messages: `cpu resource utilization (percentage of request)`.
    pub(super) name: String,
    /// For `status.currentMetrics`.
    pub(super) status: Value,
}

/// Why a metric says nothing: condition reason, message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mute {
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// Everything that a metric is asked about.
pub(super) struct Question<'a> {
    pub(super) source: &'a dyn MetricSource,
    pub(super) namespace: &'a str,
    pub(super) pods: &'a [PodState],
    pub(super) current: i64,
    pub(super) now: Timestamp,
}

impl Question<'_> {
    pub(super) fn ask(&self, metric: &Value) -> Result<Asked, Mute> {
        match text(metric, "/type") {
            "Resource" => self.resource(&metric["resource"]),
            "Pods" => self.pods(&metric["pods"]),
            "Object" => self.object(&metric["object"]),
            "External" => self.external(&metric["external"]),
            other => Err(Mute {
                reason: "InvalidMetricSourceType",
                message: format!("unknown metric source type {other:?} (the embedded lab has no ContainerResource)"),
            }),
        }
    }

    fn resource(&self, metric: &Value) -> Result<Asked, Mute> {
        let name = text(metric, "/name");
        let mute = |why: String| Mute {
            reason: "FailedGetResourceMetric",
            message: format!("failed to get {name} utilization: {why}"),
        };
        let target = match (number(&metric["target"]["averageUtilization"]), number(&metric["target"]["averageValue"])) {
            (Some(percent), _) => Target::Utilization(percent),
            (None, Some(value)) => Target::AverageValue(value),
            _ => return Err(mute("invalid resource metric source: neither an average utilization target nor an average value (milli) target was set".to_owned())),
        };
        if name != "cpu" {
            return Err(mute(format!("the embedded lab does not simulate the use of {name}")));
        }
        let usage: BTreeMap<String, f64> = self.per_pod(|pod| {
            let rate = self.source.requests_per_second(self.namespace, pod)?;
            Some(cpu_millicores(rate) / 1e3)
        });
        if usage.is_empty() {
            return Err(mute(
                "unable to get metrics for resource cpu: no metrics returned from resource metrics API".to_owned(),
            ));
        }
        let proposal = of_pods(self.current, self.pods, &usage, (name, target), self.now).map_err(mute)?;
        let mut current = json!({ "averageValue": quantity::write(proposal.average) });
        let mut shown = format!("{name} resource");
        if let Some(utilization) = proposal.utilization {
            current["averageUtilization"] = json!(utilization);
            shown.push_str(" utilization (percentage of request)");
        }
        let status = json!({ "type": "Resource", "resource": { "name": name, "current": current } });
        Ok(Asked { replicas: proposal.replicas, name: shown, status })
    }

    fn pods(&self, metric: &Value) -> Result<Asked, Mute> {
        let (name, selector) = (text(metric, "/metric/name"), part(metric, "/metric/selector"));
        let mute = |why: String| Mute {
            reason: "FailedGetPodsMetric",
            message: format!("failed to get pods metric value: {why}"),
        };
        let usage = self.per_pod(|pod| self.source.pod_metric(self.namespace, pod, name, &selector));
        let Some(target) = number(&metric["target"]["averageValue"]) else {
            return Err(mute("no target.averageValue".to_owned()));
        };
        if usage.is_empty() {
            return Err(mute(format!("unable to get metric {name}: no metrics returned from custom metrics API")));
        }
        let asked = of_pods(self.current, self.pods, &usage, ("", Target::AverageValue(target)), self.now);
        let Proposal { replicas, average, .. } = asked.map_err(mute)?;
        let current = json!({ "averageValue": quantity::write(average) });
        let status = json!({ "type": "Pods", "pods": { "metric": metric["metric"], "current": current } });
        Ok(Asked { replicas, name: format!("pods metric {name}"), status })
    }

    fn object(&self, metric: &Value) -> Result<Asked, Mute> {
        let (name, selector) = (text(metric, "/metric/name"), part(metric, "/metric/selector"));
        let object = &metric["describedObject"];
        let mute = |why: String| Mute {
            reason: "FailedGetObjectMetric",
            message: format!("failed to get object metric value: {why}"),
        };
        let value = self.source.object_metric(self.namespace, object, name, &selector).map_err(mute)?;
        let (replicas, current) = self.single(&metric["target"], value).map_err(mute)?;
        let status = json!({
            "type": "Object",
            "object": { "metric": metric["metric"], "describedObject": object, "current": current },
        });
        Ok(Asked { replicas, name: format!("{} metric {name}", text(object, "/kind")), status })
    }

    fn external(&self, metric: &Value) -> Result<Asked, Mute> {
        let (name, selector) = (text(metric, "/metric/name"), part(metric, "/metric/selector"));
        let mute = |why: String| Mute {
            reason: "FailedGetExternalMetric",
            message: format!("failed to get external metric value: {why}"),
        };
        let value = self.source.external_metric(self.namespace, name, &selector).map_err(mute)?;
        let (replicas, current) = self.single(&metric["target"], value).map_err(mute)?;
        let status = json!({ "type": "External", "external": { "metric": metric["metric"], "current": current } });
        Ok(Asked { replicas, name: format!("external metric {name}"), status })
    }

    /// One value for all pods together, against either form of target.
    fn single(&self, target: &Value, value: f64) -> Result<(i64, Value), String> {
        if !value.is_finite() {
            return Err(format!("the metric's value is {value}"));
        }
        let positive = |field: &str| number(&target[field]).filter(|it| *it > 0.0);
        if let Some(target) = positive("value") {
            let replicas = of_value(self.current, self.pods, value, target);
            return Ok((replicas, json!({ "value": quantity::write(value) })));
        }
        let Some(target) = positive("averageValue") else {
            return Err("neither target.value nor target.averageValue is above zero".to_owned());
        };
        let average = value / self.current.max(1) as f64;
        Ok((of_average(self.current, value, target), json!({ "averageValue": quantity::write(average) })))
    }

    fn per_pod(&self, value: impl Fn(&str) -> Option<f64>) -> BTreeMap<String, f64> {
        let of = |pod: &PodState| Some((pod.name.clone(), value(&pod.name).filter(|it| it.is_finite())?));
        self.pods.iter().filter_map(of).collect()
    }
}

/// A number or a quantity.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| quantity::parse(value.as_str()?))
}

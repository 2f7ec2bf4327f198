//! How many replicas a metric asks for: the arithmetic of `podautoscaler/replica_calculator.go`. Pure.

use crate::workload::json::{condition, is_deleting, list, name, text, time};
use crate::workload::quantity;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;

/// How far from the target nothing is done (`--horizontal-pod-autoscaler-tolerance`).
const TOLERANCE: f64 = 0.1;

/// For this long after its start a pod's processor use is not trusted while it is not ready.
const CPU_INITIALIZATION: SignedDuration = SignedDuration::from_secs(300);

/// A pod that was never ready within this time of its start counts as starting.
const INITIAL_READINESS_DELAY: SignedDuration = SignedDuration::from_secs(30);

/// Over how long use is measured.
const METRIC_WINDOW: SignedDuration = SignedDuration::from_secs(30);

/// What of a pod the calculation needs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PodState {
    pub(super) name: String,
    pending: bool,
    /// Going, or failed: not counted at all.
    ignored: bool,
    /// Condition Ready, and since when it is as it is.
    ready: Option<(bool, Timestamp)>,
    started: Option<Timestamp>,
    /// Requests of its containers by resource, in base units; an error names a container without one.
    requests: BTreeMap<String, Result<f64, String>>,
}

impl PodState {
    pub(super) fn of(pod: &Value) -> Self {
        let ready = condition(pod, "Ready");
        let since = |it: &Value| time(it, "/lastTransitionTime").unwrap_or_default();
        let request = |resource: &str| {
            let mut total = 0.0;
            for container in list(pod, "/spec/containers") {
                let value = &container["resources"]["requests"][resource];
                let written = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let Some(value) = quantity::parse(&written) else {
                    let container = text(container, "/name");
                    return Err(format!(
                        "missing request for {resource} in container {container} of Pod {}",
                        name(pod)
                    ));
                };
                total += value;
            }
            Ok(total)
        };
        let requests = ["cpu", "memory"].map(|it| (it.to_owned(), request(it)));
        Self {
            name: name(pod).to_owned(),
            pending: text(pod, "/status/phase") == "Pending",
            ignored: is_deleting(pod) || text(pod, "/status/phase") == "Failed",
            ready: ready.map(|it| (it["status"] == "True", since(it))),
            started: time(pod, "/status/startTime"),
            requests: requests.into(),
        }
    }

    /// Whether the pod is ready now, for metrics that are not its own.
    pub(super) fn is_ready(&self) -> bool {
        !self.ignored && !self.pending && self.ready.is_some_and(|(ready, _)| ready)
    }

    /// Whether its processor use says nothing yet.
    fn is_starting(&self, now: Timestamp) -> bool {
        let (Some((ready, since)), Some(started)) = (self.ready, self.started) else { return true };
        if now < started + CPU_INITIALIZATION {
            !ready || now < since + METRIC_WINDOW
        } else {
            !ready && since < started + INITIAL_READINESS_DELAY
        }
    }
}

/// What a per-pod metric is held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Target {
    /// Percent of the pods' requests.
    Utilization(f64),
    /// Average per pod, base units.
    AverageValue(f64),
}

/// One metric's answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Proposal {
    pub(super) replicas: i64,
    /// Average use of the pods that have numbers, base units.
    pub(super) average: f64,
    /// Percent of the requests, for [`Target::Utilization`].
    pub(super) utilization: Option<i64>,
}

/// Pods sorted by what can be said of them.
struct Groups<'a> {
    ready: i64,
    unready: Vec<&'a PodState>,
    missing: Vec<&'a PodState>,
    /// Of ready pods only.
    metrics: BTreeMap<&'a str, f64>,
}

fn group<'a>(pods: &'a [PodState], usage: &BTreeMap<String, f64>, is_cpu: bool, now: Timestamp) -> Groups<'a> {
    let mut groups = Groups { ready: 0, unready: Vec::new(), missing: Vec::new(), metrics: BTreeMap::new() };
    for pod in pods.iter().filter(|it| !it.ignored) {
        match usage.get(&pod.name) {
            _ if pod.pending => groups.unready.push(pod),
            None => groups.missing.push(pod),
            Some(_) if is_cpu && pod.is_starting(now) => groups.unready.push(pod),
            Some(value) => {
                groups.ready += 1;
                groups.metrics.insert(&pod.name, *value);
            }
        }
    }
    groups
}

/// A metric that each pod has: `Resource` and `Pods`. `usage` is by pod name, base units; `resource` is empty for `Pods`.
pub(super) fn of_pods(
    current: i64,
    pods: &[PodState],
    usage: &BTreeMap<String, f64>,
    (resource, target): (&str, Target),
    now: Timestamp,
) -> Result<Proposal, String> {
    let mut groups = group(pods, usage, resource == "cpu", now);
    let requests = match target {
        Target::Utilization(_) => requests(pods, resource)?,
        Target::AverageValue(_) => BTreeMap::new(),
    };
    if groups.metrics.is_empty() {
        return Err("did not receive metrics for targeted pods (pods might be unready)".to_owned());
    }
    let ratio = |metrics: &BTreeMap<&str, f64>| ratio(metrics, &requests, target);
    let first = ratio(&groups.metrics)?;
    let answer = |replicas| {
        let average = groups_average(usage, pods);
        Ok(Proposal { replicas, average, utilization: first.utilization })
    };
    let growing_with_unready = !groups.unready.is_empty() && first.ratio > 1.0;
    if !growing_with_unready && groups.missing.is_empty() {
        let wanted = ceil(first.ratio * groups.ready as f64);
        return answer(if is_close(first.ratio) { current } else { wanted });
    }
    // Pods without numbers are taken to use what hinders the change: all when shrinking, nothing when growing.
    for pod in &groups.missing {
        let full = match target {
            Target::Utilization(percent) => {
                requests.get(pod.name.as_str()).unwrap_or(&0.0) * percent.max(100.0) / 100.0
            }
            Target::AverageValue(value) => value,
        };
        if first.ratio < 1.0 {
            groups.metrics.insert(&pod.name, full);
        } else if first.ratio > 1.0 {
            groups.metrics.insert(&pod.name, 0.0);
        }
    }
    if growing_with_unready {
        groups.metrics.extend(groups.unready.iter().map(|it| (it.name.as_str(), 0.0)));
    }
    let second = ratio(&groups.metrics)?.ratio;
    let turned = (first.ratio < 1.0 && second > 1.0) || (first.ratio > 1.0 && second < 1.0);
    let wanted = ceil(second * groups.metrics.len() as f64);
    let backwards = (second < 1.0 && wanted > current) || (second > 1.0 && wanted < current);
    answer(if is_close(second) || turned || backwards { current } else { wanted })
}

struct Ratio {
    ratio: f64,
    utilization: Option<i64>,
}

fn ratio(metrics: &BTreeMap<&str, f64>, requests: &BTreeMap<&str, f64>, target: Target) -> Result<Ratio, String> {
    let total: f64 = metrics.values().sum();
    match target {
        Target::AverageValue(value) => Ok(Ratio { ratio: total / metrics.len() as f64 / value, utilization: None }),
        Target::Utilization(percent) => {
            let requested: f64 = metrics.keys().filter_map(|it| requests.get(it)).sum();
            if requested <= 0.0 {
                return Err("no metrics returned matched known pods".to_owned());
            }
            let utilization = (total * 100.0 / requested).floor();
            Ok(Ratio { ratio: utilization / percent, utilization: Some(utilization as i64) })
        }
    }
}

fn requests<'a>(pods: &'a [PodState], resource: &str) -> Result<BTreeMap<&'a str, f64>, String> {
    let request = |pod: &'a PodState| {
        let found = pod.requests.get(resource).cloned();
        Ok((pod.name.as_str(), found.unwrap_or_else(|| Err(format!("unknown resource {resource}")))?))
    };
    pods.iter().map(request).collect()
}

fn groups_average(usage: &BTreeMap<String, f64>, pods: &[PodState]) -> f64 {
    let values: Vec<f64> = pods.iter().filter_map(|it| usage.get(&it.name).copied()).collect();
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// A metric of something else, held against a value: `Object` and `External` with `target.value`.
pub(super) fn of_value(current: i64, pods: &[PodState], value: f64, target: f64) -> i64 {
    let ratio = value / target;
    if current == 0 {
        return ceil(ratio);
    }
    let ready = pods.iter().filter(|it| it.is_ready()).count();
    if is_close(ratio) { current } else { ceil(ratio * ready as f64) }
}

/// The same shared out over the pods: `target.averageValue`.
pub(super) fn of_average(current: i64, value: f64, target: f64) -> i64 {
    let ratio = value / (target * current as f64);
    if is_close(ratio) { current } else { ceil(value / target) }
}

fn is_close(ratio: f64) -> bool {
    (1.0 - TOLERANCE..=1.0 + TOLERANCE).contains(&ratio)
}

/// Up to the next whole pod; the last digits of a quotient must not make one more.
fn ceil(value: f64) -> i64 {
    ((value * 1e9).round() / 1e9).ceil() as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: &str = "2026-01-01T01:00:00Z";

    /// A pod with a request of 100 millicores that has been as it is for a long time, or is starting (`young`).
    fn pod(name: &str, ready: bool, young: bool) -> PodState {
        let since = if young { "2026-01-01T00:59:50Z" } else { "2026-01-01T00:00:00Z" };
        PodState::of(&json!({
            "metadata": {"name": name},
            "spec": {"containers": [{"name": "app", "resources": {"requests": {"cpu": "100m"}}}]},
            "status": {
                "phase": "Running",
                "startTime": since,
                "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }, "lastTransitionTime": since}],
            },
        }))
    }

    fn propose(current: i64, pods: &[PodState], millicores: &[(&str, f64)], target: Target) -> Result<i64, String> {
        let usage = millicores.iter().map(|(name, value)| ((*name).to_owned(), value / 1e3)).collect();
        of_pods(current, pods, &usage, ("cpu", target), NOW.parse().unwrap()).map(|it| it.replicas)
    }

    #[test]
    fn replicas_follow_the_use_of_ready_pods() {
        let two = [pod("a", true, false), pod("b", true, false)];
        let percent = Target::Utilization(50.0);
        for (case, usage, target, expected) in [
            ("at the target nothing moves", [50.0, 50.0], percent, 2),
            ("within a tenth of it neither", [55.0, 55.0], percent, 2),
            ("beyond, it grows", [56.0, 56.0], percent, 3),
            ("twice the use, twice the pods", [100.0, 100.0], percent, 4),
            ("the average counts", [150.0, 10.0], percent, 4),
            ("a fraction is a whole pod", [80.0, 75.0], percent, 4),
            ("little use shrinks", [10.0, 10.0], percent, 1),
            ("values are averages too", [90.0, 90.0], Target::AverageValue(0.06), 3),
        ] {
            let usage = [("a", usage[0]), ("b", usage[1])];
            assert_eq!(propose(2, &two, &usage, target), Ok(expected), "{case}");
        }
    }

    #[test]
    fn starting_and_silent_pods_dampen_the_change() {
        let percent = Target::Utilization(50.0);
        let starting = [pod("a", true, false), pod("b", false, true)];
        // a alone would ask for three; b counts as using nothing.
        assert_eq!(propose(2, &starting, &[("a", 150.0), ("b", 400.0)], percent), Ok(3));
        assert_eq!(propose(2, &starting, &[("a", 90.0), ("b", 400.0)], percent), Ok(2), "no change of direction");
        let silent = [pod("a", true, false), pod("b", true, false)];
        assert_eq!(propose(2, &silent, &[("a", 10.0)], percent), Ok(2), "b counts as using its whole request");
        assert_eq!(propose(2, &silent, &[("a", 200.0)], percent), Ok(4), "b counts as using nothing");
        assert!(propose(2, &silent, &[], percent).unwrap_err().starts_with("did not receive metrics"));
    }

    #[test]
    fn a_pod_without_a_request_has_no_utilization() {
        let bare = PodState::of(&json!({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "app"}]}}));
        let error = propose(1, &[bare], &[("a", 10.0)], Target::Utilization(50.0)).unwrap_err();
        assert_eq!(error, "missing request for cpu in container app of Pod a");
    }

    #[test]
    fn values_of_other_objects_count_ready_pods_or_are_shared_out() {
        let pods = [pod("a", true, false), pod("b", true, false), pod("c", false, false)];
        assert_eq!(of_value(3, &pods, 300.0, 100.0), 6, "three times the target on two ready pods");
        assert_eq!(of_value(3, &pods, 105.0, 100.0), 3);
        assert_eq!(of_average(2, 250.0, 100.0), 3);
        assert_eq!(of_average(2, 210.0, 100.0), 2);
    }
}

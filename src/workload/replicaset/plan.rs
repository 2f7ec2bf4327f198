//! One pass over one ReplicaSet. Pure: `now` is an argument, names are drawn by whoever carries the plan out.

use super::rank;
use crate::workload::json::{int, is_active, is_deleting, is_ready, list, name, ready_since, texts};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Pods that one pass creates or deletes at most (the real controller's burst).
pub(super) const BURST: usize = 500;

/// What one pass decided.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    pub(super) create: usize,
    /// Names, in the order in which they go.
    pub(super) delete: Vec<String>,
    /// Counts as they are before the changes.
    pub(super) status: Value,
    /// When the next ready pod will have been so for `minReadySeconds`.
    pub(super) again: Option<Duration>,
}

/// `pods` are those that the ReplicaSet owns, finished and terminating ones included.
pub(super) fn sync(set: &Value, pods: Vec<Arc<Value>>, now: Timestamp) -> Plan {
    let mut active: Vec<Arc<Value>> = pods.into_iter().filter(|it| is_active(it)).collect();
    let wanted = usize::try_from(int(set, "/spec/replicas").unwrap_or(1)).unwrap_or_default();
    let (status, again) = count(set, &active, now);
    let (mut create, mut delete) = (0, Vec::new());
    if !is_deleting(set) {
        create = wanted.saturating_sub(active.len()).min(BURST);
        let excess = active.len().saturating_sub(wanted).min(BURST);
        if excess > 0 {
            rank::sort_by_worth(&mut active, now);
            delete.extend(active.iter().take(excess).map(|it| name(it).to_owned()));
        }
    }
    Plan { create, delete, status, again }
}

fn count(set: &Value, active: &[Arc<Value>], now: Timestamp) -> (Value, Option<Duration>) {
    let min_ready = SignedDuration::from_secs(int(set, "/spec/minReadySeconds").unwrap_or_default());
    let template = texts(set, "/spec/template/metadata/labels");
    let labelled = |pod: &&Arc<Value>| {
        let labels = texts(pod, "/metadata/labels");
        template.iter().all(|(key, value)| labels.get(key) == Some(value))
    };
    // How long each ready pod has still to stay so; negative when it is available.
    let waits: Vec<SignedDuration> =
        active.iter().filter_map(|it| ready_since(it)).map(|since| min_ready - now.duration_since(since)).collect();
    let available = waits.iter().filter(|it| !it.is_positive()).count();
    let again = waits.iter().filter(|it| it.is_positive()).min().and_then(|it| Duration::try_from(*it).ok());
    let mut status = json!({
        "replicas": active.len(),
        "fullyLabeledReplicas": active.iter().filter(labelled).count(),
        "readyReplicas": active.iter().filter(|it| is_ready(it)).count(),
        "availableReplicas": available,
        "observedGeneration": int(set, "/metadata/generation").unwrap_or_default(),
    });
    if let Some(map) = status.as_object_mut() {
        // Kubernetes leaves counts of zero out, except `replicas`.
        map.retain(|key, value| key == "replicas" || *value != 0);
    }
    let conditions = list(set, "/status/conditions");
    if !conditions.is_empty() {
        status["conditions"] = Value::from(conditions);
    }
    (status, again)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-01-01T00:00:30Z";

    fn set(replicas: i64, min_ready: i64) -> Value {
        json!({
            "metadata": {"generation": 3},
            "spec": {
                "replicas": replicas,
                "minReadySeconds": min_ready,
                "template": {"metadata": {"labels": {"app": "x"}}},
            },
        })
    }

    fn pod(name: &str, ready_since: Option<&str>) -> Value {
        let status = if ready_since.is_some() { "True" } else { "False" };
        json!({
            "metadata": {"name": name, "uid": name, "labels": {"app": "x"}},
            "spec": {"nodeName": "coalmine"},
            "status": {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": status, "lastTransitionTime": ready_since}],
            },
        })
    }

    fn sync_now(set: &Value, pods: Vec<Value>) -> Plan {
        sync(set, pods.into_iter().map(Arc::new).collect(), NOW.parse().unwrap())
    }

    #[test]
    fn it_creates_what_is_missing_and_counts_what_is_there() {
        let plan = sync_now(&set(3, 0), vec![pod("a", Some("2026-01-01T00:00:29Z")), pod("b", None)]);
        assert_eq!((plan.create, plan.delete.len(), plan.again), (1, 0, None));
        assert_eq!(
            plan.status,
            json!({"replicas": 2, "fullyLabeledReplicas": 2, "readyReplicas": 1, "availableReplicas": 1, "observedGeneration": 3})
        );
    }

    #[test]
    fn terminating_and_finished_pods_are_replaced_and_not_counted() {
        let (mut going, mut failed) = (pod("a", None), pod("b", None));
        going["metadata"]["deletionTimestamp"] = json!(NOW);
        failed["status"]["phase"] = json!("Failed");
        let plan = sync_now(&set(2, 0), vec![going, failed]);
        assert_eq!((plan.create, plan.status), (2, json!({"replicas": 0, "observedGeneration": 3})));
    }

    #[test]
    fn it_gives_up_the_pods_that_are_worth_least() {
        let pods = vec![pod("a", Some("2026-01-01T00:00:00Z")), pod("b", None), pod("c", None)];
        let plan = sync_now(&set(1, 0), pods);
        assert_eq!((plan.create, plan.delete), (0, vec!["b".to_owned(), "c".to_owned()]));
    }

    #[test]
    fn a_ready_pod_is_available_after_min_ready_seconds_and_the_pass_says_when() {
        let pods = || vec![pod("a", Some("2026-01-01T00:00:28Z")), pod("b", Some("2026-01-01T00:00:25Z"))];
        let plan = sync_now(&set(2, 5), pods());
        assert_eq!(plan.status["availableReplicas"], 1, "b is ready for exactly five seconds");
        assert_eq!(plan.again, Some(Duration::from_secs(3)));
        assert_eq!(sync_now(&set(2, 1), pods()).status["availableReplicas"], 2);
    }

    #[test]
    fn a_set_that_is_going_creates_nothing() {
        let mut set = set(3, 0);
        set["metadata"]["deletionTimestamp"] = json!(NOW);
        assert_eq!(sync_now(&set, Vec::new()).create, 0);
    }
}

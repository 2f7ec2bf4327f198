//! Which pods a shrinking ReplicaSet gives up first: `ActivePodsWithRanks` of the real controller.

use crate::workload::json::{is_ready, list, ready_since, text, texts, time, uid};
use jiff::Timestamp;
use serde_json::Value;
use std::cmp::{Ordering, Reverse};
use std::sync::Arc;

const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// Orders pods so that the first are given up first: unbound, pending, not ready, cheap, lately ready, often restarted, young.
pub(super) fn sort_by_worth(pods: &mut [Arc<Value>], now: Timestamp) {
    pods.sort_by(|a, b| compare(a, b, now));
}

fn compare(a: &Value, b: &Value, now: Timestamp) -> Ordering {
    let bound = |pod: &Value| !text(pod, "/spec/nodeName").is_empty();
    let by_state = bound(a)
        .cmp(&bound(b))
        .then_with(|| phase_rank(a).cmp(&phase_rank(b)))
        .then_with(|| is_ready(a).cmp(&is_ready(b)))
        .then_with(|| deletion_cost(a).cmp(&deletion_cost(b)));
    by_state
        .then_with(|| by_age(a, b, [ready_since(a), ready_since(b)], now))
        .then_with(|| Reverse(restarts(a)).cmp(&Reverse(restarts(b))))
        .then_with(|| by_age(a, b, [created(a), created(b)], now))
        .then_with(|| uid(a).cmp(uid(b)))
}

fn phase_rank(pod: &Value) -> u8 {
    match text(pod, "/status/phase") {
        "Running" => 2,
        "Unknown" => 1,
        _ => 0,
    }
}

fn deletion_cost(pod: &Value) -> i32 {
    let cost = texts(pod, "/metadata/annotations").remove(DELETION_COST);
    cost.and_then(|it| it.parse().ok()).unwrap_or_default()
}

fn restarts(pod: &Value) -> i64 {
    list(pod, "/status/containerStatuses").iter().filter_map(|it| it["restartCount"].as_i64()).max().unwrap_or_default()
}

fn created(pod: &Value) -> Option<Timestamp> {
    time(pod, "/metadata/creationTimestamp")
}

/// The younger first; ages are compared by their binary logarithm, and within one power of two the uid decides, so that
/// the choice is spread evenly among pods of like age (`LogarithmicScaleDown`).
fn by_age(a: &Value, b: &Value, since: [Option<Timestamp>; 2], now: Timestamp) -> Ordering {
    let [Some(since_a), Some(since_b)] = since else {
        // Without a time counts as the youngest.
        return since[0].is_some().cmp(&since[1].is_some());
    };
    if since_a == since_b {
        return Ordering::Equal;
    }
    age_class(since_a, now).cmp(&age_class(since_b, now)).then_with(|| uid(a).cmp(uid(b)))
}

fn age_class(since: Timestamp, now: Timestamp) -> i64 {
    let nanos = now.duration_since(since).as_nanos();
    if nanos <= 0 { -1 } else { i64::from(nanos.ilog2()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(name: &str, fields: &Value) -> Arc<Value> {
        let conditions = match fields["ready"].as_str() {
            Some(since) => json!([{"type": "Ready", "status": "True", "lastTransitionTime": since}]),
            None => json!([]),
        };
        Arc::new(json!({
            "metadata": {
                "name": name,
                "uid": name,
                "creationTimestamp": fields["created"].as_str().unwrap_or("2026-01-01T00:00:00Z"),
                "annotations": {DELETION_COST: fields["cost"].as_str().unwrap_or("0")},
            },
            "spec": {"nodeName": fields["node"].as_str().unwrap_or("coalmine")},
            "status": {
                "phase": fields["phase"].as_str().unwrap_or("Running"),
                "conditions": conditions,
                "containerStatuses": [{"restartCount": fields["restarts"].as_i64().unwrap_or(0)}],
            },
        }))
    }

    #[test]
    fn the_pod_that_serves_least_goes_first() {
        let ready = "2026-01-01T00:00:10Z";
        for (why, first, second) in [
            ("unbound before bound", json!({"node": "", "phase": "Pending"}), json!({"phase": "Pending"})),
            ("pending before running", json!({"phase": "Pending"}), json!({})),
            ("not ready before ready", json!({}), json!({"ready": ready})),
            ("cheap before dear", json!({"ready": ready, "cost": "-5"}), json!({"ready": ready, "cost": "3"})),
            ("lately ready before long ready", json!({"ready": "2026-01-01T00:59:50Z"}), json!({"ready": ready})),
            ("often restarted first", json!({"ready": ready, "restarts": 4}), json!({"ready": ready})),
            ("young before old", json!({"created": "2026-01-01T00:59:00Z"}), json!({})),
        ] {
            // The names would order them the other way round.
            let mut pods = vec![pod("a", &second), pod("z", &first)];
            sort_by_worth(&mut pods, "2026-01-01T01:00:00Z".parse().unwrap());
            assert_eq!(uid(&pods[0]), "z", "{why}");
        }
    }

    #[test]
    fn of_pods_of_like_age_the_uid_decides() {
        let (a, b) = (json!({"created": "2026-01-01T00:00:09Z"}), json!({"created": "2026-01-01T00:00:00Z"}));
        let mut pods = vec![pod("b", &b), pod("a", &a), pod("c", &a)];
        sort_by_worth(&mut pods, "2026-01-01T01:00:00Z".parse().unwrap());
        assert_eq!(pods.iter().map(|it| uid(it)).collect::<Vec<_>>(), ["a", "b", "c"]);
    }
}

//! Whether a Deployment has rolled out, and whether it still may.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// Why a Deployment is not ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotReady {
    /// Flagger's words.
    pub reason: String,
    /// Whether waiting may still help; if not, the run is given up.
    pub retriable: bool,
}

/// What is asked of a Deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// `spec.progressDeadlineSeconds` of the Canary, in seconds.
    pub deadline: i64,
    /// Percent of updated pods that must be available.
    pub threshold: i64,
    pub now: Timestamp,
}

/// Flagger's readiness of a Deployment object.
pub fn check(deployment: &Value, demand: Demand) -> Result<(), NotReady> {
    let status = &deployment["status"];
    let count = |field: &str| status[field].as_i64().unwrap_or(0);
    if deployment["metadata"]["generation"].as_i64().unwrap_or(0) > count("observedGeneration") {
        let reason = "waiting for rollout to finish: observed deployment generation less than desired generation";
        return Err(NotReady { reason: reason.to_owned(), retriable: true });
    }
    let progress = condition(status, "Progressing");
    if progress.is_some_and(|it| it["reason"] == "ProgressDeadlineExceeded") {
        let name = deployment["metadata"]["name"].as_str().unwrap_or_default();
        let reason = format!("deployment \"{name}\" exceeded its progress deadline");
        return Err(NotReady { reason, retriable: false });
    }
    let (replicas, updated, available) = (count("replicas"), count("updatedReplicas"), count("availableReplicas"));
    let wanted = updated * demand.threshold / 100;
    let reason = match deployment["spec"]["replicas"].as_i64() {
        Some(desired) if updated < desired => {
            format!("{updated} out of {desired} new replicas have been updated")
        }
        _ if replicas > updated => format!("{} old replicas are pending termination", replicas - updated),
        _ if available < wanted => {
            let threshold = demand.threshold;
            format!("{available} of {wanted} (readyThreshold {threshold}%) updated replicas are available")
        }
        _ => return Ok(()),
    };
    let retriable = progress.is_none() || !past_deadline(status, demand);
    Err(NotReady { reason: format!("waiting for rollout to finish: {reason}"), retriable })
}

/// Whether the pods have been unavailable for longer than the deadline.
fn past_deadline(status: &Value, demand: Demand) -> bool {
    let Some(available) = condition(status, "Available") else { return false };
    if available["status"] != "False" || available["reason"] != "MinimumReplicasUnavailable" {
        return false;
    }
    let since = available["lastUpdateTime"].as_str().and_then(|it| it.parse::<Timestamp>().ok());
    // A condition without a time is as old as time: Go's zero value.
    let Some(since) = since else { return true };
    since.checked_add(SignedDuration::from_secs(demand.deadline)).is_ok_and(|until| until < demand.now)
}

fn condition<'v>(status: &'v Value, kind: &str) -> Option<&'v Value> {
    status["conditions"].as_array()?.iter().find(|it| it["type"] == kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: &str = "2026-01-01T00:01:00Z";

    fn demand(deadline: i64, threshold: i64) -> Demand {
        Demand { deadline, threshold, now: NOW.parse().unwrap() }
    }

    /// A Deployment at generation 2 with four replicas wanted.
    fn deployment(observed: i64, replicas: i64, updated: i64, available: i64) -> Value {
        json!({
            "metadata": {"name": "podinfo", "generation": 2},
            "spec": {"replicas": 4},
            "status": {"observedGeneration": observed, "replicas": replicas, "updatedReplicas": updated,
                "availableReplicas": available, "conditions": [{"type": "Progressing", "reason": "ReplicaSetUpdated"}]},
        })
    }

    fn unavailable_since(mut deployment: Value, since: &str) -> Value {
        deployment["status"]["conditions"].as_array_mut().unwrap().push(json!({"type": "Available", "status": "False",
            "reason": "MinimumReplicasUnavailable", "lastUpdateTime": since}));
        deployment
    }

    #[test]
    fn each_way_of_not_being_ready_has_its_words() {
        let waiting = "waiting for rollout to finish: ";
        for (case, threshold, words) in [
            (deployment(1, 4, 4, 4), 100, "observed deployment generation less than desired generation"),
            (deployment(2, 4, 3, 3), 100, "3 out of 4 new replicas have been updated"),
            (deployment(2, 6, 4, 4), 100, "2 old replicas are pending termination"),
            (deployment(2, 4, 4, 0), 100, "0 of 4 (readyThreshold 100%) updated replicas are available"),
            (deployment(2, 4, 4, 1), 60, "1 of 2 (readyThreshold 60%) updated replicas are available"),
        ] {
            let wanted = NotReady { reason: format!("{waiting}{words}"), retriable: true };
            assert_eq!(check(&case, demand(600, threshold)), Err(wanted), "{case}");
        }
        assert_eq!(check(&deployment(2, 4, 4, 4), demand(600, 100)), Ok(()));
        assert_eq!(check(&deployment(2, 4, 4, 2), demand(600, 60)), Ok(()), "the threshold is rounded down");
    }

    #[test]
    fn kubernetes_own_deadline_cannot_be_retried() {
        let mut stuck = deployment(2, 4, 4, 0);
        stuck["status"]["conditions"][0]["reason"] = json!("ProgressDeadlineExceeded");
        let why = check(&stuck, demand(600, 100)).unwrap_err();
        assert_eq!(why.reason, "deployment \"podinfo\" exceeded its progress deadline");
        assert!(!why.retriable);
        // An unobserved generation comes first: the condition is about an older template.
        stuck["status"]["observedGeneration"] = json!(1);
        assert!(check(&stuck, demand(600, 100)).unwrap_err().retriable);
    }

    #[test]
    fn flaggers_deadline_counts_from_when_the_pods_became_unavailable() {
        for (since, deadline, retriable) in [
            ("2026-01-01T00:00:00Z", 60, true),
            ("2026-01-01T00:00:00Z", 59, false),
            ("2025-12-31T23:59:59Z", 60, false),
            ("2026-01-01T00:00:59Z", 60, true),
        ] {
            let case = unavailable_since(deployment(2, 4, 4, 0), since);
            let why = check(&case, demand(deadline, 100)).unwrap_err();
            assert_eq!(why.retriable, retriable, "since {since}, deadline {deadline} s");
        }
    }

    #[test]
    fn an_available_deployment_may_wait_for_ever() {
        // With maxUnavailable >= replicas the Available condition stays True, so nothing times out.
        let mut case = unavailable_since(deployment(2, 4, 4, 0), "2020-01-01T00:00:00Z");
        case["status"]["conditions"][1]["status"] = json!("True");
        assert!(check(&case, demand(60, 100)).unwrap_err().retriable);
        // Without a Progressing condition the other one is not looked at.
        let mut case = unavailable_since(deployment(2, 4, 4, 0), "2020-01-01T00:00:00Z");
        case["status"]["conditions"].as_array_mut().unwrap().remove(0);
        assert!(check(&case, demand(60, 100)).unwrap_err().retriable);
    }
}

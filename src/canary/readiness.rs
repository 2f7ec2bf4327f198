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

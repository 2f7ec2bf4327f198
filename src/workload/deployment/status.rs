//! The Deployment's status: counts, and the conditions Available, Progressing and `ReplicaFailure`.

use super::rollout::Rollout;
use super::view::{Condition, Deployment, ReplicaSet, Status};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

pub(super) const AVAILABLE: &str = "Available";
pub(super) const PROGRESSING: &str = "Progressing";
pub(super) const REPLICA_FAILURE: &str = "ReplicaFailure";
pub(super) const NEW_REPLICA_SET_AVAILABLE: &str = "NewReplicaSetAvailable";
pub(super) const TIMED_OUT: &str = "ProgressDeadlineExceeded";

impl Status {
    /// Sets a condition as `SetDeploymentCondition` does: the same status and reason change nothing, and the transition
    /// time moves only with the status.
    pub(super) fn set(&mut self, kind: &str, status: &str, reason: &str, message: String, now: Timestamp) {
        let current = self.condition(kind);
        if current.is_some_and(|it| it.status == status && it.reason == reason) {
            return;
        }
        let last_transition = current.filter(|it| it.status == status).map_or(now, |it| it.last_transition);
        self.remove(kind);
        self.conditions.push(Condition {
            kind: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message,
            last_update: now,
            last_transition,
        });
    }

    pub(super) fn remove(&mut self, kind: &str) {
        self.conditions.retain(|it| it.kind != kind);
    }
}

/// `calculateStatus`: counts from the ReplicaSets, and Available.
pub(super) fn calculate(rollout: &Rollout<'_>, current: &Status, now: Timestamp) -> Status {
    let deployment = rollout.deployment;
    let sum = |of: fn(&ReplicaSet) -> i64| rollout.sets.iter().map(of).sum::<i64>();
    let available = sum(|it| it.available);
    let mut status = Status {
        observed_generation: deployment.generation,
        replicas: sum(|it| it.replicas),
        updated: rollout.new.map_or(0, |new| rollout.sets[new].replicas),
        ready: sum(|it| it.ready),
        available,
        unavailable: (sum(|it| it.desired) - available).max(0),
        collisions: current.collisions,
        conditions: current.conditions.clone(),
    };
    let (verdict, reason, message) = if available >= deployment.replicas - deployment.max_unavailable() {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    status.set(AVAILABLE, verdict, reason, message.to_owned(), now);
    status
}

/// `syncRolloutStatus`: the counts, and how far the rollout is.
///
/// A rollout that was complete stays complete while nothing is replaced: scaling up a Deployment whose template was
/// changed at 0 replicas is no rollout, and so can never exceed the progress deadline.
pub(super) fn of_rollout(rollout: &Rollout<'_>, current: &Status, now: Timestamp) -> Status {
    let deployment = rollout.deployment;
    let mut status = calculate(rollout, current, now);
    if deployment.progress_deadline_seconds.is_none() {
        status.remove(PROGRESSING);
    }
    let was_complete = current.condition(PROGRESSING).is_some_and(|it| it.reason == NEW_REPLICA_SET_AVAILABLE);
    let settled = status.replicas == status.updated && was_complete;
    if deployment.progress_deadline_seconds.is_some() && !settled {
        judge_progress(rollout, current, &mut status, now);
    }
    match rollout.sets.iter().rev().find_map(|it| it.failure.as_ref()) {
        Some(failure) => status.set(REPLICA_FAILURE, &failure.status, &failure.reason, failure.message.clone(), now),
        None => status.remove(REPLICA_FAILURE),
    }
    status
}

fn judge_progress(rollout: &Rollout<'_>, current: &Status, status: &mut Status, now: Timestamp) {
    let deployment = rollout.deployment;
    let who = rollout.new.map_or_else(
        || format!("Deployment \"{}\"", deployment.name),
        |new| format!("ReplicaSet \"{}\"", rollout.sets[new].name),
    );
    if is_complete(deployment, status) {
        let message = format!("{who} has successfully progressed.");
        status.set(PROGRESSING, "True", NEW_REPLICA_SET_AVAILABLE, message, now);
    } else if has_progressed(current, status) {
        // Each step forward is a new update time, from which the deadline counts; the reason may well be the same.
        let since = status.condition(PROGRESSING).filter(|it| it.status == "True").map(|it| it.last_transition);
        status.remove(PROGRESSING);
        status.set(PROGRESSING, "True", "ReplicaSetUpdated", format!("{who} is progressing."), now);
        if let (Some(since), Some(condition)) = (since, status.conditions.last_mut()) {
            condition.last_transition = since;
        }
    } else if has_timed_out(deployment, status, now) {
        let message = format!("{who} has timed out progressing.");
        status.set(PROGRESSING, "False", TIMED_OUT, message, now);
    }
}

/// `DeploymentComplete`.
pub(super) fn is_complete(deployment: &Deployment, status: &Status) -> bool {
    let wanted = deployment.replicas;
    status.updated == wanted
        && status.replicas == wanted
        && status.available == wanted
        && status.observed_generation >= deployment.generation
}

/// `DeploymentProgressing`: more updated, ready or available pods than before, or fewer old ones.
fn has_progressed(before: &Status, after: &Status) -> bool {
    after.updated > before.updated
        || after.replicas - after.updated < before.replicas - before.updated
        || after.ready > before.ready
        || after.available > before.available
}

/// `DeploymentTimedOut`.
fn has_timed_out(deployment: &Deployment, status: &Status, now: Timestamp) -> bool {
    let (Some(deadline), Some(condition)) = (deployment.progress_deadline_seconds, status.condition(PROGRESSING))
    else {
        return false;
    };
    match condition.reason.as_str() {
        NEW_REPLICA_SET_AVAILABLE => false,
        TIMED_OUT => true,
        _ => now.duration_since(condition.last_update) > SignedDuration::from_secs(deadline),
    }
}

/// When to look again although nothing happens: a second after the progress deadline.
pub(super) fn next_check(deployment: &Deployment, status: &Status, now: Timestamp) -> Option<Duration> {
    let deadline = deployment.progress_deadline_seconds?;
    let condition = status.condition(PROGRESSING)?;
    let over = matches!(condition.reason.as_str(), NEW_REPLICA_SET_AVAILABLE | TIMED_OUT);
    if over || deployment.paused || is_complete(deployment, status) {
        return None;
    }
    let left = SignedDuration::from_secs(deadline) - now.duration_since(condition.last_update);
    let after = Duration::try_from(left).unwrap_or_default();
    Some(after + Duration::from_secs(1))
}

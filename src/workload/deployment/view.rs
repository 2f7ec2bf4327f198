//! Deployments and ReplicaSets as the arithmetic sees them: numbers and names, read once from JSON.

use super::strategy::Strategy;
use crate::workload::json::{condition, flag, int, list, name, namespace, part, text, texts, time, uid};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
pub(super) const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
pub(super) const DESIRED_REPLICAS: &str = "deployment.kubernetes.io/desired-replicas";
pub(super) const MAX_REPLICAS: &str = "deployment.kubernetes.io/max-replicas";

/// `progressDeadlineSeconds` of this value means: no deadline.
const NO_DEADLINE: i64 = i32::MAX as i64;

/// One Deployment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Deployment {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) uid: String,
    pub(super) generation: i64,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) replicas: i64,
    pub(super) selector: Value,
    pub(super) template: Value,
    pub(super) strategy: Strategy,
    pub(super) min_ready_seconds: i64,
    /// None: no deadline.
    pub(super) progress_deadline_seconds: Option<i64>,
    /// None: keep all.
    pub(super) revision_history_limit: Option<i64>,
    pub(super) paused: bool,
    pub(super) deleting: bool,
    pub(super) status: Status,
}

impl Deployment {
    pub(super) fn of(object: &Value) -> Self {
        let annotations = texts(object, "/metadata/annotations");
        let deadline = int(object, "/spec/progressDeadlineSeconds").unwrap_or(600);
        let history = int(object, "/spec/revisionHistoryLimit").unwrap_or(10);
        Self {
            name: name(object).to_owned(),
            namespace: namespace(object).to_owned(),
            uid: uid(object).to_owned(),
            generation: int(object, "/metadata/generation").unwrap_or_default(),
            annotations,
            replicas: int(object, "/spec/replicas").unwrap_or(1),
            selector: part(object, "/spec/selector"),
            template: part(object, "/spec/template"),
            strategy: Strategy::of(&object["spec"]["strategy"]),
            min_ready_seconds: int(object, "/spec/minReadySeconds").unwrap_or_default(),
            progress_deadline_seconds: (deadline != NO_DEADLINE).then_some(deadline),
            revision_history_limit: (history != NO_DEADLINE).then_some(history),
            paused: flag(object, "/spec/paused"),
            deleting: crate::workload::json::is_deleting(object),
            status: Status::of(object),
        }
    }

    /// Pods that may exist above `replicas` during a rolling update.
    pub(super) fn max_surge(&self) -> i64 {
        self.strategy.max_surge(self.replicas)
    }

    /// Pods of `replicas` that may be unavailable during a rolling update.
    pub(super) fn max_unavailable(&self) -> i64 {
        self.strategy.max_unavailable(self.replicas)
    }
}

/// The Deployment's counts and conditions.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Status {
    pub(super) observed_generation: i64,
    pub(super) replicas: i64,
    pub(super) updated: i64,
    pub(super) ready: i64,
    pub(super) available: i64,
    pub(super) unavailable: i64,
    pub(super) collisions: Option<i64>,
    pub(super) conditions: Vec<Condition>,
}

impl Status {
    fn of(object: &Value) -> Self {
        let count = |field| int(&object["status"], field).unwrap_or_default();
        Self {
            observed_generation: count("/observedGeneration"),
            replicas: count("/replicas"),
            updated: count("/updatedReplicas"),
            ready: count("/readyReplicas"),
            available: count("/availableReplicas"),
            unavailable: count("/unavailableReplicas"),
            collisions: int(object, "/status/collisionCount"),
            conditions: list(object, "/status/conditions").iter().map(Condition::of).collect(),
        }
    }

    pub(super) fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|it| it.kind == kind)
    }
}

/// A Deployment condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) kind: String,
    pub(super) status: String,
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) last_update: Timestamp,
    pub(super) last_transition: Timestamp,
}

impl Condition {
    fn of(value: &Value) -> Self {
        let date = |field| time(value, field).unwrap_or_default();
        Self {
            kind: text(value, "/type").to_owned(),
            status: text(value, "/status").to_owned(),
            reason: text(value, "/reason").to_owned(),
            message: text(value, "/message").to_owned(),
            last_update: date("/lastUpdateTime"),
            last_transition: date("/lastTransitionTime"),
        }
    }
}

/// One ReplicaSet of the Deployment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ReplicaSet {
    pub(super) name: String,
    pub(super) created: Timestamp,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) template: Value,
    /// `spec.replicas`.
    pub(super) desired: i64,
    pub(super) min_ready_seconds: i64,
    pub(super) generation: i64,
    pub(super) observed_generation: i64,
    pub(super) deleting: bool,
    /// `status.replicas` and its parts.
    pub(super) replicas: i64,
    pub(super) ready: i64,
    pub(super) available: i64,
    /// Its condition ReplicaFailure, when it has one.
    pub(super) failure: Option<Condition>,
}

impl ReplicaSet {
    pub(super) fn of(object: &Value) -> Self {
        let status = |field| int(&object["status"], field).unwrap_or_default();
        Self {
            name: name(object).to_owned(),
            created: time(object, "/metadata/creationTimestamp").unwrap_or_default(),
            annotations: texts(object, "/metadata/annotations"),
            template: part(object, "/spec/template"),
            desired: int(object, "/spec/replicas").unwrap_or(1),
            min_ready_seconds: int(object, "/spec/minReadySeconds").unwrap_or_default(),
            generation: int(object, "/metadata/generation").unwrap_or_default(),
            observed_generation: status("/observedGeneration"),
            deleting: crate::workload::json::is_deleting(object),
            replicas: status("/replicas"),
            ready: status("/readyReplicas"),
            available: status("/availableReplicas"),
            failure: condition(object, "ReplicaFailure").map(Condition::of),
        }
    }

    pub(super) fn revision(&self) -> i64 {
        self.number(REVISION).unwrap_or_default()
    }

    pub(super) fn number(&self, annotation: &str) -> Option<i64> {
        self.annotations.get(annotation)?.parse().ok()
    }
}

//! The moves of a rollout: which ReplicaSet gets how many pods. The arithmetic is `k8s.io/kubernetes/pkg/controller/deployment`'s.

use super::view::{DESIRED_REPLICAS, Deployment, MAX_REPLICAS, ReplicaSet};
use std::collections::BTreeMap;

/// What the controller has to do to the world, in order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    CreateReplicaSet {
        name: String,
        hash: String,
        replicas: i64,
        annotations: BTreeMap<String, String>,
    },
    UpdateReplicaSet {
        name: String,
        replicas: i64,
        min_ready_seconds: i64,
        annotations: BTreeMap<String, String>,
    },
    DeleteReplicaSet {
        name: String,
    },
    /// The Deployment's own revision annotation.
    SetRevision {
        revision: String,
    },
    /// A `ScalingReplicaSet` event.
    Scaled {
        message: String,
    },
}

/// One pass over a Deployment: its ReplicaSets as they will be once the changes so far are made.
#[derive(Debug)]
pub(super) struct Rollout<'a> {
    pub(super) deployment: &'a Deployment,
    /// Oldest first.
    pub(super) sets: Vec<ReplicaSet>,
    /// Place of the ReplicaSet that has the Deployment's template.
    pub(super) new: Option<usize>,
    pub(super) changes: Vec<Change>,
}

impl Rollout<'_> {
    pub(super) fn old(&self) -> impl Iterator<Item = usize> + use<> {
        let new = self.new;
        (0..self.sets.len()).filter(move |at| Some(*at) != new)
    }

    fn desired_total(&self) -> i64 {
        self.sets.iter().map(|it| it.desired).sum()
    }

    /// How many pods the new ReplicaSet should have now (`NewRSNewReplicas`).
    pub(super) fn new_size(&self, current: i64) -> i64 {
        let deployment = self.deployment;
        if matches!(deployment.strategy, super::strategy::Strategy::Recreate) {
            return deployment.replicas;
        }
        let room = deployment.replicas + deployment.max_surge() - self.desired_total();
        if room <= 0 { current } else { current + room.min(deployment.replicas - current) }
    }

    /// Moves the new ReplicaSet towards its size; says whether it moved.
    pub(super) fn reconcile_new(&mut self) -> bool {
        let Some(new) = self.new else { return false };
        let (has, wants) = (self.sets[new].desired, self.deployment.replicas);
        if has == wants {
            return false;
        }
        let to = if has > wants { wants } else { self.new_size(has) };
        self.scale(new, to)
    }

    /// Takes pods away from old ReplicaSets as far as availability allows; says whether any went.
    pub(super) fn reconcile_old(&mut self) -> bool {
        if self.old().all(|at| self.sets[at].desired == 0) {
            return false;
        }
        let minimum_available = self.deployment.replicas - self.deployment.max_unavailable();
        let new_unavailable = self.new.map_or(0, |new| self.sets[new].desired - self.sets[new].available);
        let budget = self.desired_total() - minimum_available - new_unavailable;
        if budget <= 0 {
            return false;
        }
        let unhealthy = self.clean_up_unhealthy(budget);
        unhealthy | self.scale_down_old(minimum_available)
    }

    /// Unhealthy old pods go first: they serve nobody, and must not hold the rollout up.
    fn clean_up_unhealthy(&mut self, budget: i64) -> bool {
        let mut left = budget;
        let mut moved = false;
        for at in self.old() {
            let set = &self.sets[at];
            let unhealthy = (set.desired - set.available).max(0).min(left);
            if unhealthy == 0 {
                continue;
            }
            let to = set.desired - unhealthy;
            left -= unhealthy;
            moved |= self.scale(at, to);
        }
        moved
    }

    fn scale_down_old(&mut self, minimum_available: i64) -> bool {
        let available: i64 = self.sets.iter().map(|it| it.available).sum();
        let mut left = available - minimum_available;
        let mut moved = false;
        for at in self.old() {
            if left <= 0 {
                break;
            }
            let less = self.sets[at].desired.min(left);
            if less == 0 {
                continue;
            }
            left -= less;
            moved |= self.scale(at, self.sets[at].desired - less);
        }
        moved
    }

    /// Takes all old ReplicaSets to `0`; says whether any had pods.
    pub(super) fn empty_old(&mut self) -> bool {
        let mut moved = false;
        for at in self.old() {
            // One that is empty already keeps its record of sizes, so that rolling back to it reads as a rollout.
            if self.sets[at].desired != 0 {
                moved |= self.scale(at, 0);
            }
        }
        moved
    }

    /// Whether the Deployment's `replicas` was changed since the active ReplicaSets were last sized.
    pub(super) fn is_scaling(&self) -> bool {
        let desired = self.deployment.replicas;
        self.sets.iter().filter(|it| it.desired > 0).any(|it| it.number(DESIRED_REPLICAS).is_some_and(|n| n != desired))
    }

    /// Follows a change of `replicas`: the one ReplicaSet that counts, or all active ones in proportion.
    pub(super) fn follow_scale(&mut self) {
        let deployment = self.deployment;
        if let Some(only) = self.active_or_latest() {
            if self.sets[only].desired != deployment.replicas {
                self.scale(only, deployment.replicas);
            }
            return;
        }
        if self.new.is_some_and(|new| self.is_saturated(&self.sets[new])) {
            self.empty_old();
            return;
        }
        if matches!(deployment.strategy, super::strategy::Strategy::RollingUpdate { .. }) {
            self.scale_in_proportion();
        }
    }

    /// The single active ReplicaSet; with none active the new one, or else the latest.
    fn active_or_latest(&self) -> Option<usize> {
        let mut active = (0..self.sets.len()).filter(|at| self.sets[*at].desired > 0);
        match (active.next(), active.next()) {
            (None, _) => self.new.or(self.sets.len().checked_sub(1)),
            (only, None) => only,
            _ => None,
        }
    }

    fn is_saturated(&self, set: &ReplicaSet) -> bool {
        let desired = self.deployment.replicas;
        set.desired == desired && set.number(DESIRED_REPLICAS) == Some(desired) && set.available == desired
    }

    /// Shares added or removed pods out over the active ReplicaSets by their size, so that a scale during a rollout does
    /// not decide the rollout. What rounding leaves over goes to the first.
    fn scale_in_proportion(&mut self) {
        let deployment = self.deployment;
        let allowed = if deployment.replicas > 0 { deployment.replicas + deployment.max_surge() } else { 0 };
        let to_add = allowed - self.desired_total();
        let mut order: Vec<usize> = (0..self.sets.len()).filter(|at| self.sets[*at].desired > 0).collect();
        // Biggest first; of like ones the newer gets more when growing, the older loses more when shrinking.
        if to_add > 0 {
            order.reverse();
        }
        order.sort_by_key(|at| -self.sets[*at].desired);
        let mut added = 0;
        let mut sizes = Vec::with_capacity(order.len());
        for at in &order {
            let part = self.proportion(&self.sets[*at], to_add, added);
            added += part;
            sizes.push(self.sets[*at].desired + part);
        }
        if let (Some(first), true) = (sizes.first_mut(), to_add != 0) {
            *first += to_add - added;
        }
        for (at, size) in order.into_iter().zip(sizes) {
            self.scale(at, size.max(0));
        }
    }

    fn proportion(&self, set: &ReplicaSet, to_add: i64, added: i64) -> i64 {
        if set.desired == 0 || to_add == 0 || to_add == added {
            return 0;
        }
        let (fraction, left) = (self.fraction(set), to_add - added);
        if to_add > 0 { fraction.min(left) } else { fraction.max(left) }
    }

    fn fraction(&self, set: &ReplicaSet) -> i64 {
        let deployment = self.deployment;
        if deployment.replicas == 0 {
            return -set.desired;
        }
        let before = set.number(MAX_REPLICAS).filter(|it| *it != 0).unwrap_or(deployment.status.replicas);
        if before == 0 {
            return 0;
        }
        let after = deployment.replicas + deployment.max_surge();
        let size = set.desired.saturating_mul(after) as f64 / before as f64;
        size.round() as i64 - set.desired
    }

    /// Sets a ReplicaSet's size and its record of the Deployment's; says whether the size changed.
    pub(super) fn scale(&mut self, at: usize, to: i64) -> bool {
        let wanted = sizes(self.deployment);
        let set = &mut self.sets[at];
        let from = set.desired;
        let recorded = wanted.iter().all(|(key, value)| set.annotations.get(*key) == Some(value));
        if from == to && recorded {
            return false;
        }
        set.desired = to;
        set.annotations.extend(wanted.map(|(key, value)| (key.to_owned(), value)));
        self.changes.push(Change::UpdateReplicaSet {
            name: set.name.clone(),
            replicas: to,
            min_ready_seconds: set.min_ready_seconds,
            annotations: set.annotations.clone(),
        });
        if from != to {
            let way = if to > from { "up" } else { "down" };
            let message = format!("Scaled {way} replica set {} from {from} to {to}", set.name);
            self.changes.push(Change::Scaled { message });
        }
        from != to
    }

    /// Deletes empty old ReplicaSets beyond the history limit, lowest revision first.
    pub(super) fn clean_up_history(&mut self) {
        let Some(limit) = self.deployment.revision_history_limit else { return };
        let mut old: Vec<&ReplicaSet> = self.old().map(|at| &self.sets[at]).filter(|it| !it.deleting).collect();
        let Some(excess) = old.len().checked_sub(usize::try_from(limit).unwrap_or_default()) else { return };
        old.sort_by_key(|it| it.revision());
        let empty = |it: &&ReplicaSet| it.replicas == 0 && it.desired == 0 && it.generation <= it.observed_generation;
        let names: Vec<String> = old.into_iter().take(excess).filter(empty).map(|it| it.name.clone()).collect();
        self.changes.extend(names.into_iter().map(|name| Change::DeleteReplicaSet { name }));
    }
}

/// The annotations by which a later pass can tell that the Deployment was scaled.
pub(super) fn sizes(deployment: &Deployment) -> [(&'static str, String); 2] {
    let max = deployment.replicas + deployment.max_surge();
    [(DESIRED_REPLICAS, deployment.replicas.to_string()), (MAX_REPLICAS, max.to_string())]
}

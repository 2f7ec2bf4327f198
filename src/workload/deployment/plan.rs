//! One pass over one Deployment, from what is there to what has to be done. Pure: `now` is an argument.

use super::hash;
use super::rollout::{Change, Rollout, sizes};
use super::status;
use super::strategy::Strategy;
use super::view::{Deployment, REVISION, REVISION_HISTORY, ReplicaSet, Status};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// Revisions that a ReplicaSet remembers to have been, in characters (the real controller's limit).
const MAX_REVISION_HISTORY_CHARS: usize = 2_000;

/// Annotations that are the Deployment's own and are not handed down.
const OWN_ANNOTATIONS: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    super::view::DESIRED_REPLICAS,
    super::view::MAX_REPLICAS,
    "deprecated.deployment.rollback.to",
];

/// What one pass decided.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    pub(super) changes: Vec<Change>,
    pub(super) status: Status,
    /// Look again after this time even if nothing happens.
    pub(super) again: Option<Duration>,
}

/// `syncDeployment`: `sets` are the ReplicaSets that the Deployment owns; `live_pods` says for each of them how many of
/// its pods have not ended (used by Recreate alone).
pub(super) fn sync(
    deployment: &Deployment,
    mut sets: Vec<ReplicaSet>,
    live_pods: &BTreeMap<String, usize>,
    now: Timestamp,
) -> Plan {
    sets.sort_by(|a, b| (a.created, &a.name).cmp(&(b.created, &b.name)));
    let new = sets.iter().position(|it| hash::same_template(&it.template, &deployment.template));
    let mut pass = Pass {
        rollout: Rollout { deployment, sets, new, changes: Vec::new() },
        current: deployment.status.clone(),
        now,
    };
    let status = pass.run(live_pods);
    let again = status::next_check(deployment, &status, now);
    Plan { changes: pass.rollout.changes, status, again }
}

struct Pass<'a> {
    rollout: Rollout<'a>,
    /// The status as stored, with the conditions that this pass has set on the way.
    current: Status,
    now: Timestamp,
}

impl Pass<'_> {
    fn run(&mut self, live_pods: &BTreeMap<String, usize>) -> Status {
        let deployment = self.rollout.deployment;
        if deployment.deleting {
            return status::calculate(&self.rollout, &self.current, self.now);
        }
        self.note_pause();
        if deployment.paused || self.rollout.is_scaling() {
            self.adopt_new();
            self.rollout.follow_scale();
            if deployment.paused {
                self.rollout.clean_up_history();
            }
            return status::calculate(&self.rollout, &self.current, self.now);
        }
        match deployment.strategy {
            Strategy::Recreate => self.recreate(live_pods),
            Strategy::RollingUpdate { .. } => self.roll(),
        }
        status::of_rollout(&self.rollout, &self.current, self.now)
    }

    /// A pause and its end are conditions too, so that the time paused does not count towards the deadline.
    fn note_pause(&mut self) {
        let deployment = self.rollout.deployment;
        if deployment.progress_deadline_seconds.is_none() {
            return;
        }
        let reason = self.current.condition(status::PROGRESSING).map(|it| it.reason.clone()).unwrap_or_default();
        if reason == status::TIMED_OUT {
            return;
        }
        let (reason, message) = match (deployment.paused, reason == "DeploymentPaused") {
            (true, false) => ("DeploymentPaused", "Deployment is paused"),
            (false, true) => ("DeploymentResumed", "Deployment is resumed"),
            _ => return,
        };
        self.current.set(status::PROGRESSING, "Unknown", reason, message.to_owned(), self.now);
    }

    fn roll(&mut self) {
        self.adopt_or_create_new();
        if self.rollout.reconcile_new() || self.rollout.reconcile_old() {
            return;
        }
        self.finish();
    }

    fn recreate(&mut self, live_pods: &BTreeMap<String, usize>) {
        self.adopt_new();
        if self.rollout.empty_old() {
            return;
        }
        let rollout = &self.rollout;
        let still_there = |at: usize| {
            let set = &rollout.sets[at];
            set.replicas > 0 || live_pods.get(&set.name).is_some_and(|pods| *pods > 0)
        };
        if rollout.old().any(still_there) {
            return;
        }
        self.adopt_or_create_new();
        if !self.rollout.reconcile_new() {
            self.finish();
        }
    }

    fn finish(&mut self) {
        if status::is_complete(self.rollout.deployment, &self.current) {
            self.rollout.clean_up_history();
        }
    }

    fn adopt_or_create_new(&mut self) {
        if self.rollout.new.is_some() { self.adopt_new() } else { self.create_new() }
    }

    /// Brings the revision, annotations and `minReadySeconds` of the ReplicaSet that has the template up to date.
    fn adopt_new(&mut self) {
        let Some(new) = self.rollout.new else { return };
        let deployment = self.rollout.deployment;
        let revision = self.next_revision();
        let set = &mut self.rollout.sets[new];
        let before = (set.annotations.clone(), set.min_ready_seconds);
        hand_down(deployment, &mut set.annotations);
        raise_revision(set, revision);
        set.min_ready_seconds = deployment.min_ready_seconds;
        if before != (set.annotations.clone(), set.min_ready_seconds) {
            self.rollout.changes.push(Change::UpdateReplicaSet {
                name: set.name.clone(),
                replicas: set.desired,
                min_ready_seconds: set.min_ready_seconds,
                annotations: set.annotations.clone(),
            });
        }
        let (name, revision) = (set.name.clone(), set.revision());
        self.set_revision(revision);
        if self.current.condition(status::PROGRESSING).is_none() {
            self.note_new("FoundNewReplicaSet", format!("Found new replica set \"{name}\""));
        }
    }

    fn create_new(&mut self) {
        let deployment = self.rollout.deployment;
        let revision = self.next_revision();
        let hash = hash::of(&deployment.template, self.current.collisions);
        let name = format!("{}-{hash}", deployment.name);
        if self.rollout.sets.iter().any(|it| it.name == name) {
            // Another template with the same hash: count up, and the next pass has another name.
            self.current.collisions = Some(self.current.collisions.unwrap_or_default() + 1);
            return;
        }
        let replicas = self.rollout.new_size(0);
        let mut annotations = BTreeMap::new();
        hand_down(deployment, &mut annotations);
        annotations.insert(REVISION.to_owned(), revision.to_string());
        annotations.extend(sizes(deployment).map(|(key, value)| (key.to_owned(), value)));
        self.rollout.changes.push(Change::CreateReplicaSet {
            name: name.clone(),
            hash,
            replicas,
            annotations: annotations.clone(),
        });
        if replicas > 0 {
            let message = format!("Scaled up replica set {name} from 0 to {replicas}");
            self.rollout.changes.push(Change::Scaled { message });
        }
        self.note_new("NewReplicaSetCreated", format!("Created new replica set \"{name}\""));
        self.set_revision(revision);
        self.rollout.sets.push(fresh(deployment, name, replicas, annotations, self.now));
        self.rollout.new = Some(self.rollout.sets.len() - 1);
    }

    fn note_new(&mut self, reason: &str, message: String) {
        if self.rollout.deployment.progress_deadline_seconds.is_some() {
            self.current.set(status::PROGRESSING, "True", reason, message, self.now);
        }
    }

    fn next_revision(&self) -> i64 {
        self.rollout.old().map(|at| self.rollout.sets[at].revision()).max().unwrap_or_default() + 1
    }

    fn set_revision(&mut self, revision: i64) {
        let revision = revision.to_string();
        if self.rollout.deployment.annotations.get(REVISION) != Some(&revision) {
            self.rollout.changes.push(Change::SetRevision { revision });
        }
    }
}

fn hand_down(deployment: &Deployment, annotations: &mut BTreeMap<String, String>) {
    let inherited = deployment.annotations.iter().filter(|(key, _)| !OWN_ANNOTATIONS.contains(&key.as_str()));
    annotations.extend(inherited.map(|(key, value)| (key.clone(), value.clone())));
}

/// A ReplicaSet that is rolled back to becomes the newest revision and remembers the one it was.
fn raise_revision(set: &mut ReplicaSet, revision: i64) {
    let old = set.annotations.get(REVISION).cloned();
    if set.revision() >= revision {
        return;
    }
    set.annotations.insert(REVISION.to_owned(), revision.to_string());
    let Some(old) = old else { return };
    let history = set.annotations.entry(REVISION_HISTORY.to_owned()).or_default();
    if !history.is_empty() {
        history.push(',');
    }
    history.push_str(&old);
    while history.len() > MAX_REVISION_HISTORY_CHARS {
        let Some(comma) = history.find(',') else { break };
        history.drain(..=comma);
    }
}

fn fresh(
    deployment: &Deployment,
    name: String,
    replicas: i64,
    annotations: BTreeMap<String, String>,
    now: Timestamp,
) -> ReplicaSet {
    ReplicaSet {
        name,
        created: now,
        annotations,
        template: deployment.template.clone(),
        desired: replicas,
        min_ready_seconds: deployment.min_ready_seconds,
        generation: 1,
        observed_generation: 0,
        deleting: false,
        replicas: 0,
        ready: 0,
        available: 0,
        failure: None,
    }
}

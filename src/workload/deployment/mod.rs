//! The Deployment controller, after the real one (`k8s.io/kubernetes/pkg/controller/deployment`).
//!
//! A pass is a pure function ([`plan::sync`]) from the Deployment, its ReplicaSets and the time to a list of changes and a
//! status; this page carries it out. The rules:
//! - The ReplicaSet whose template equals the Deployment's is the new one; the others are old. It is named after the hash of
//!   the template and made when missing.
//! - `RollingUpdate`: first the new one grows as far as `replicas + maxSurge` pods in all allow; a pass that changed this ends
//!   there. Else old ones shrink: unhealthy pods first, then as many as leave `replicas - maxUnavailable` available.
//! - `Recreate`: the old pods go, and only when the last one has ended the new ones come.
//! - A change of `replicas` during a rollout is shared out in proportion and does not move the rollout.
//! - `Progressing` says `NewReplicaSetAvailable` when all is updated and available; its update time moves with each pod that
//!   helps; after `progressDeadlineSeconds` without any it says `ProgressDeadlineExceeded`. Once complete, it cannot time out
//!   before the template changes: a Deployment whose template was changed at 0 replicas never does when scaled up.
//!
//! Left out: `spec.rollbackTo` of extensions/v1beta1, and `terminatingReplicas`.

mod hash;
mod plan;
mod rollout;
mod status;
mod strategy;
#[cfg(test)]
mod tests;
mod view;

use super::client::{Client, add_all};
use super::events::Recorder;
use super::json::{
    controller_reference, controller_uid, is_deleting, is_finished, list, name, namespace, selects, text, uid,
};
use super::queue::{Key, Queue, Work};
use crate::apiserver::{Reason, Status as ApiStatus, resource};
use crate::sys::clock::{Clock, rfc3339};
use rollout::Change;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use strategy::Strategy;
use view::{Deployment, ReplicaSet, Status};

/// How soon a pass whose change was refused is tried again.
const RETRY: Duration = Duration::from_secs(1);

pub(super) struct Controller {
    pub(super) client: Client,
    pub(super) clock: Clock,
    pub(super) events: Recorder,
    pub(super) queue: Queue,
}

impl Controller {
    pub(super) async fn run(self) {
        loop {
            match self.queue.next().await {
                Work::One(key) => self.sync(&key),
                Work::All => add_all(&self.client, resource::DEPLOYMENTS, &self.queue),
            }
        }
    }

    fn sync(&self, key: &Key) {
        let Some(object) = self.client.get(resource::DEPLOYMENTS, &key.namespace, &key.name) else { return };
        let deployment = Deployment::of(&object);
        let owned = self.claim(&object, &deployment);
        let live = if deployment.strategy == Strategy::Recreate { self.live_pods(&owned) } else { BTreeMap::new() };
        let sets = owned.iter().map(|it| ReplicaSet::of(it)).collect();
        let plan = plan::sync(&deployment, sets, &live, self.clock.now());
        for change in plan.changes {
            if let Err(error) = self.carry_out(&object, &owned, change) {
                self.refused(key, &deployment, &error);
                return;
            }
        }
        if plan.status != deployment.status {
            let _ = self.client.patch_status(resource::DEPLOYMENTS, key, &status_body(&plan.status));
        }
        if let Some(after) = plan.again {
            self.queue.add_after(key.clone(), after);
        }
    }

    /// Somebody else was faster, or the server refuses it: look at the world again. A ReplicaSet of that name that is
    /// not ours counts as a collision of hashes, so that the next one has another name.
    fn refused(&self, key: &Key, deployment: &Deployment, error: &ApiStatus) {
        tracing::debug!(deployment = key.name, %error, "a change was refused");
        if error.reason == Reason::AlreadyExists {
            let collisions = deployment.status.collisions.unwrap_or_default() + 1;
            let _ = self.client.patch_status(resource::DEPLOYMENTS, key, &json!({ "collisionCount": collisions }));
        }
        self.queue.add_after(key.clone(), RETRY);
    }

    /// The ReplicaSets that are the Deployment's own; orphans that it selects are adopted.
    fn claim(&self, object: &Value, deployment: &Deployment) -> Vec<Arc<Value>> {
        let mut own = Vec::new();
        for set in self.client.list(resource::REPLICA_SETS, Some(&deployment.namespace)) {
            let selected = selects(&deployment.selector, &set["metadata"]["labels"]);
            match controller_uid(&set) {
                Some(owner) if owner == deployment.uid => {
                    if selected || deployment.deleting {
                        own.push(set);
                    } else {
                        let keep = list(&set, "/metadata/ownerReferences").iter().filter(|it| it["controller"] != true);
                        self.set_owners(&set, &keep.cloned().collect::<Vec<_>>());
                    }
                }
                None if selected && !deployment.deleting && !is_deleting(&set) => {
                    let mut owners = list(&set, "/metadata/ownerReferences").to_vec();
                    owners.push(controller_reference(object));
                    self.set_owners(&set, &owners);
                    own.push(set);
                }
                _ => {}
            }
        }
        own
    }

    fn set_owners(&self, set: &Value, owners: &[Value]) {
        let body = json!({ "metadata": { "uid": uid(set), "ownerReferences": owners } });
        let _ = self.client.patch(resource::REPLICA_SETS, &super::client::key(set), body);
    }

    /// By ReplicaSet, the pods that have not ended; those that are on their way out count.
    fn live_pods(&self, sets: &[Arc<Value>]) -> BTreeMap<String, usize> {
        let Some(first) = sets.first() else { return BTreeMap::new() };
        let pods = self.client.list(resource::PODS, Some(namespace(first)));
        let live =
            |set: &Value| pods.iter().filter(|it| controller_uid(it) == Some(uid(set)) && !is_finished(it)).count();
        sets.iter().map(|set| (name(set).to_owned(), live(set))).collect()
    }

    fn carry_out(&self, object: &Value, owned: &[Arc<Value>], change: Change) -> Result<(), ApiStatus> {
        let place = namespace(object);
        match change {
            Change::CreateReplicaSet { name, hash, replicas, annotations } => {
                let set = new_set(object, &hash, (&name, replicas, &annotations));
                self.client.create(resource::REPLICA_SETS, place, set).map(drop)
            }
            Change::UpdateReplicaSet { name, replicas, min_ready_seconds, annotations } => {
                let body = json!({
                    "metadata": { "annotations": annotations },
                    "spec": { "replicas": replicas, "minReadySeconds": min_ready_seconds },
                });
                self.client.patch(resource::REPLICA_SETS, &Key::new(place, &name), body).map(drop)
            }
            Change::DeleteReplicaSet { name: old } => match owned.iter().find(|it| name(it) == old) {
                Some(set) => self.client.delete(resource::REPLICA_SETS, set).map(drop),
                None => Ok(()),
            },
            Change::SetRevision { revision } => {
                let body = json!({ "metadata": { "annotations": { view::REVISION: revision } } });
                self.client.patch(resource::DEPLOYMENTS, &super::client::key(object), body).map(drop)
            }
            Change::Scaled { message } => {
                self.events.normal(object, "ScalingReplicaSet", &message);
                Ok(())
            }
        }
    }
}

fn new_set(
    deployment: &Value,
    hash: &str,
    (name, replicas, annotations): (&str, i64, &BTreeMap<String, String>),
) -> Value {
    let mut template = deployment["spec"]["template"].clone();
    let mut selector = deployment["spec"]["selector"].clone();
    template["metadata"]["labels"][hash::LABEL] = json!(hash);
    selector["matchLabels"][hash::LABEL] = json!(hash);
    json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "namespace": namespace(deployment),
            "labels": template["metadata"]["labels"],
            "annotations": annotations,
            "ownerReferences": [controller_reference(deployment)],
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": deployment["spec"].get("minReadySeconds").cloned().unwrap_or(json!(0)),
            "selector": selector,
            "template": template,
        },
    })
}

/// The status as a merge patch: counts of zero are removed, as Kubernetes leaves them out.
fn status_body(status: &Status) -> Value {
    let mut body = Map::new();
    body.insert("observedGeneration".to_owned(), json!(status.observed_generation));
    for (field, count) in [
        ("replicas", status.replicas),
        ("updatedReplicas", status.updated),
        ("readyReplicas", status.ready),
        ("availableReplicas", status.available),
        ("unavailableReplicas", status.unavailable),
    ] {
        body.insert(field.to_owned(), if count == 0 { Value::Null } else { json!(count) });
    }
    if let Some(collisions) = status.collisions {
        body.insert("collisionCount".to_owned(), json!(collisions));
    }
    let condition = |it: &view::Condition| {
        json!({
            "type": it.kind,
            "status": it.status,
            "reason": it.reason,
            "message": it.message,
            "lastUpdateTime": rfc3339(it.last_update),
            "lastTransitionTime": rfc3339(it.last_transition),
        })
    };
    body.insert("conditions".to_owned(), status.conditions.iter().map(condition).collect());
    Value::Object(body)
}

/// Which Deployments have to look because of this ReplicaSet: its owner; for an orphan, those that would take it.
pub(super) fn concerned(client: &Client, set: &Value) -> Vec<Key> {
    if let Some(owner) = list(set, "/metadata/ownerReferences").iter().find(|it| it["controller"] == true) {
        let is_deployment = text(owner, "/kind") == "Deployment";
        return if is_deployment { vec![Key::new(namespace(set), text(owner, "/name"))] } else { Vec::new() };
    }
    let all = client.list(resource::DEPLOYMENTS, Some(namespace(set)));
    let selecting = all.iter().filter(|it| selects(&it["spec"]["selector"], &set["metadata"]["labels"]));
    selecting.map(|it| super::client::key(it)).collect()
}

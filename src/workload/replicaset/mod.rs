//! The ReplicaSet controller: as many pods as `spec.replicas` says, and the counts of those that are there.

mod plan;
mod rank;

use super::client::{Client, add_all};
use super::events::Recorder;
use super::json::{
    controller_reference, controller_uid, is_active, is_deleting, list, name, namespace, part, selects, text, texts,
    uid,
};
use super::names;
use super::queue::{Key, Queue, Work};
use crate::apiserver::{Status, resource};
use crate::sys::clock::{Clock, rfc3339};
use rand::rngs::ChaCha8Rng;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How soon a pod that could not be created is tried again.
const RETRY: Duration = Duration::from_secs(1);

pub(super) struct Controller {
    pub(super) client: Client,
    pub(super) clock: Clock,
    pub(super) events: Recorder,
    pub(super) queue: Queue,
    /// Draws pod names.
    pub(super) rng: ChaCha8Rng,
}

impl Controller {
    pub(super) async fn run(mut self) {
        loop {
            match self.queue.next().await {
                Work::One(key) => self.sync(&key),
                Work::All => add_all(&self.client, resource::REPLICA_SETS, &self.queue),
            }
        }
    }

    fn sync(&mut self, key: &Key) {
        let Some(set) = self.client.get(resource::REPLICA_SETS, &key.namespace, &key.name) else { return };
        let pods = self.claim(&set);
        let plan = plan::sync(&set, pods.clone(), self.clock.now());
        let failure = self.create(&set, plan.create).and_then(|()| self.delete(&set, &pods, &plan.delete)).err();
        if failure.is_some() {
            self.queue.add_after(key.clone(), RETRY);
        }
        self.write_status(key, &set, plan.status, failure);
        if let Some(after) = plan.again {
            self.queue.add_after(key.clone(), after);
        }
    }

    /// The pods that are the set's own, after taking in orphans that it selects and letting go of those it does not.
    fn claim(&self, set: &Value) -> Vec<Arc<Value>> {
        let selector = &set["spec"]["selector"];
        let mut own = Vec::new();
        for pod in self.client.list(resource::PODS, Some(namespace(set))) {
            let selected = selects(selector, &pod["metadata"]["labels"]);
            match controller_uid(&pod) {
                Some(owner) if owner == uid(set) && (selected || is_deleting(set)) => own.push(pod),
                Some(owner) if owner == uid(set) => self.set_owners(&pod, &without_controller(&pod)),
                None if selected && is_active(&pod) && !is_deleting(set) => {
                    let mut owners = list(&pod, "/metadata/ownerReferences").to_vec();
                    owners.push(controller_reference(set));
                    self.set_owners(&pod, &owners);
                    own.push(pod);
                }
                _ => {}
            }
        }
        own
    }

    fn set_owners(&self, pod: &Value, owners: &[Value]) {
        let body = json!({ "metadata": { "uid": uid(pod), "ownerReferences": owners } });
        let _ = self.client.patch(resource::PODS, &super::client::key(pod), body);
    }

    fn create(&mut self, set: &Value, count: usize) -> Result<(), Failure> {
        for _ in 0..count {
            let name = format!("{}-{}", name(set), names::suffix(&mut self.rng));
            match self.client.create(resource::PODS, namespace(set), new_pod(set, &name)) {
                Ok(_) => self.events.normal(set, "SuccessfulCreate", &format!("Created pod: {name}")),
                // The pod has a name of somebody else; the next pass draws another.
                Err(error) => {
                    self.events.warning(set, "FailedCreate", &format!("Error creating: {error}"));
                    return Err(Failure { reason: "FailedCreate", error });
                }
            }
        }
        Ok(())
    }

    fn delete(&self, set: &Value, pods: &[Arc<Value>], names: &[String]) -> Result<(), Failure> {
        for wanted in names {
            let Some(pod) = pods.iter().find(|it| name(it) == wanted) else { continue };
            match self.client.delete(resource::PODS, pod) {
                Ok(_) => self.events.normal(set, "SuccessfulDelete", &format!("Deleted pod: {wanted}")),
                Err(error) if error.code == 404 => {}
                Err(error) => {
                    self.events.warning(set, "FailedDelete", &format!("Error deleting: {error}"));
                    return Err(Failure { reason: "FailedDelete", error });
                }
            }
        }
        Ok(())
    }

    fn write_status(&self, key: &Key, set: &Value, mut status: Value, failure: Option<Failure>) {
        let now = rfc3339(self.clock.now());
        let others = || list(set, "/status/conditions").iter().filter(|it| it["type"] != "ReplicaFailure");
        let mut conditions: Vec<Value> = others().cloned().collect();
        if let Some(Failure { reason, error }) = failure {
            let known = list(set, "/status/conditions").iter().find(|it| it["reason"] == reason);
            conditions.push(json!({
                "type": "ReplicaFailure",
                "status": "True",
                "reason": reason,
                "message": error.message,
                "lastTransitionTime": known.map_or_else(|| json!(now), |it| it["lastTransitionTime"].clone()),
            }));
        }
        status["conditions"] = json!(conditions);
        if super::json::normal(&status) == super::json::normal(&set["status"]) {
            return;
        }
        for count in ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"] {
            if status.get(count).is_none() {
                status[count] = Value::Null;
            }
        }
        let _ = self.client.patch_status(resource::REPLICA_SETS, key, &status);
    }
}

struct Failure {
    reason: &'static str,
    error: Status,
}

fn without_controller(pod: &Value) -> Vec<Value> {
    list(pod, "/metadata/ownerReferences").iter().filter(|it| it["controller"] != true).cloned().collect()
}

fn new_pod(set: &Value, pod_name: &str) -> Value {
    let template = &set["spec"]["template"];
    let mut metadata = json!({
        "name": pod_name,
        "generateName": format!("{}-", name(set)),
        "namespace": namespace(set),
        "labels": texts(template, "/metadata/labels"),
        "ownerReferences": [controller_reference(set)],
    });
    let annotations = texts(template, "/metadata/annotations");
    if !annotations.is_empty() {
        metadata["annotations"] = json!(annotations);
    }
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": part(template, "/spec") })
}

/// Which ReplicaSets have to look because of this pod: its owner; for an orphan, those that would take it.
pub(super) fn concerned(client: &Client, pod: &Value) -> Vec<Key> {
    let owners = list(pod, "/metadata/ownerReferences");
    if let Some(owner) = owners.iter().find(|it| it["controller"] == true) {
        let is_set = text(owner, "/kind") == "ReplicaSet";
        return if is_set { vec![Key::new(namespace(pod), text(owner, "/name"))] } else { Vec::new() };
    }
    let sets = client.list(resource::REPLICA_SETS, Some(namespace(pod)));
    let selecting = sets.iter().filter(|it| selects(&it["spec"]["selector"], &pod["metadata"]["labels"]));
    selecting.map(|it| super::client::key(it)).collect()
}

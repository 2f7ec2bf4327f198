//! Watches the lab's objects and tells what changed. One task a kind; what a change means is a pure function below.

mod reports;

pub(crate) use reports::{ReportTeller, told_at};

use super::bus::Bus;
use super::faults::PodSelectors;
use crate::canary::routes;
use crate::cluster::{Client, Watched};
use crate::event::{Event, Note, Pod, RouteChanged, StatusChanged, Workload};
use crate::model::canary::{Canary, Phase};
use futures_util::StreamExt;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::watch;

/// What steps and the end of a run wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Seen {
    pub phase: Phase,
    /// Live weight of the canary at the router, percent.
    pub weight: i64,
    /// How often a phase was entered that a release is decided in; so "since then" can be asked.
    pub runs: u64,
}

/// Objects of one kind whose changes become events.
pub(crate) struct Watch {
    pub api_version: &'static str,
    pub kind: &'static str,
}

/// Follows one kind until the run ends.
pub(crate) async fn follow(
    cluster: Client,
    namespace: String,
    watch: Watch,
    bus: Bus,
    mut teller: Box<dyn Teller + Send>,
) {
    let mut changes = cluster.watch(watch.api_version, watch.kind, Some(&namespace), None);
    while let Some(change) = changes.next().await {
        let told = match change {
            Watched::Applied(object) => teller.applied(&object),
            Watched::Deleted(object) => teller.deleted(&object),
            Watched::Restarted(mut objects) => {
                teller.sort(&mut objects);
                let names = objects.iter().map(|it| text(it, "/metadata/name")).collect();
                let gone = teller.only(&names);
                gone.into_iter().chain(objects.iter().flat_map(|it| teller.applied(it))).collect()
            }
        };
        for event in told {
            bus.publish(event);
        }
    }
}

/// Turns changed objects into events; remembers what it said, so that a relist is silent.
pub(crate) trait Teller {
    fn applied(&mut self, object: &Value) -> Vec<Event>;

    fn deleted(&mut self, _object: &Value) -> Vec<Event> {
        Vec::new()
    }

    /// Brings listed objects into the order in which they are told.
    fn sort(&self, _objects: &mut [Value]) {}

    /// The watch began anew: objects that are not named here went meanwhile.
    fn only(&mut self, _names: &BTreeSet<&str>) -> Vec<Event> {
        Vec::new()
    }
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()
}

/// The Canary's status.
pub(crate) struct StatusTeller {
    name: String,
    seen: watch::Sender<Seen>,
    last: Option<StatusChanged>,
}

impl StatusTeller {
    pub(crate) fn new(name: &str, seen: watch::Sender<Seen>) -> Self {
        Self { name: name.to_owned(), seen, last: None }
    }
}

impl Teller for StatusTeller {
    fn applied(&mut self, object: &Value) -> Vec<Event> {
        if text(object, "/metadata/name") != self.name {
            return Vec::new();
        }
        let Ok(canary) = serde_json::from_value::<Canary>(object.clone()) else { return Vec::new() };
        let status = canary.status;
        let now = StatusChanged {
            phase: status.phase,
            weight: status.canary_weight,
            failed_checks: status.failed_checks,
            iterations: status.iterations,
            condition: status.conditions.into_iter().next().map(|it| {
                // Times move with every write; a change of time alone is no news.
                crate::model::canary::Condition {
                    last_update_time: String::new(),
                    last_transition_time: String::new(),
                    ..it
                }
            }),
        };
        if self.last.as_ref() == Some(&now) || now.phase == Phase::None {
            return Vec::new();
        }
        self.seen.send_modify(|seen| {
            let begins = matches!(now.phase, Phase::Waiting | Phase::Progressing);
            seen.runs += u64::from(begins && seen.phase != now.phase);
            seen.phase = now.phase;
        });
        self.last = Some(now.clone());
        vec![Event::StatusChanged(now)]
    }

    fn deleted(&mut self, object: &Value) -> Vec<Event> {
        if text(object, "/metadata/name") == self.name {
            self.last = None;
            self.seen.send_modify(|seen| seen.phase = Phase::None);
            let text = format!("the Canary {} was deleted", self.name);
            return vec![Event::Note(Note { text })];
        }
        Vec::new()
    }
}

/// The router's live weights, from the object that the provider keeps them in.
pub(crate) struct RouteTeller {
    canary: Canary,
    seen: watch::Sender<Seen>,
    last: Option<RouteChanged>,
}

impl RouteTeller {
    pub(crate) fn new(canary: Canary, seen: watch::Sender<Seen>) -> Self {
        Self { canary, seen, last: None }
    }
}

impl Teller for RouteTeller {
    fn applied(&mut self, object: &Value) -> Vec<Event> {
        let Some((primary, canary)) = routes::weights_of(&self.canary, object) else { return Vec::new() };
        let now = RouteChanged { primary, canary };
        if self.last.as_ref() == Some(&now) {
            return Vec::new();
        }
        self.seen.send_modify(|seen| seen.weight = canary);
        self.last = Some(now.clone());
        vec![Event::RouteChanged(now)]
    }
}

/// Deployments' counts: of all, or of those that are named.
#[derive(Default)]
pub(crate) struct WorkloadTeller {
    last: BTreeMap<String, Workload>,
    only: Option<[String; 2]>,
}

impl WorkloadTeller {
    /// The target and its primary.
    pub(crate) fn of_target(name: &str) -> Self {
        Self { last: BTreeMap::new(), only: Some([name.to_owned(), format!("{name}-primary")]) }
    }
}

impl Teller for WorkloadTeller {
    fn applied(&mut self, object: &Value) -> Vec<Event> {
        let name = text(object, "/metadata/name");
        if self.only.as_ref().is_some_and(|it| it.iter().all(|it| it != name)) {
            return Vec::new();
        }
        let now = Workload {
            name: name.to_owned(),
            version: image_tag(text(object, "/spec/template/spec/containers/0/image")).to_owned(),
            desired: number(object, "/spec/replicas"),
            ready: number(object, "/status/readyReplicas"),
            updated: number(object, "/status/updatedReplicas"),
        };
        let before = self.last.insert(now.name.clone(), now.clone());
        if before.as_ref() == Some(&now) { Vec::new() } else { vec![Event::Workload(now)] }
    }
}

/// Pods, in the words of kubectl: all, or those of the target and its primary.
#[derive(Default)]
pub(crate) struct PodTeller {
    last: BTreeMap<String, Pod>,
    only: Option<PodSelectors>,
}

impl PodTeller {
    pub(crate) fn of_target(selectors: PodSelectors) -> Self {
        Self { last: BTreeMap::new(), only: Some(selectors) }
    }
}

impl Teller for PodTeller {
    fn applied(&mut self, object: &Value) -> Vec<Event> {
        if self.only.as_ref().is_some_and(|it| it.target_of(object).is_none()) {
            return Vec::new();
        }
        let now = Pod {
            name: text(object, "/metadata/name").to_owned(),
            version: image_tag(text(object, "/spec/containers/0/image")).to_owned(),
            ready: condition_is_true(object, "Ready"),
            restarts: number(object, "/status/containerStatuses/0/restartCount"),
            state: pod_state(object).to_owned(),
        };
        let before = self.last.insert(now.name.clone(), now.clone());
        if before.as_ref() == Some(&now) { Vec::new() } else { vec![Event::Pod(now)] }
    }

    fn deleted(&mut self, object: &Value) -> Vec<Event> {
        self.last.remove(text(object, "/metadata/name")).map(gone).into_iter().collect()
    }

    fn only(&mut self, names: &BTreeSet<&str>) -> Vec<Event> {
        self.last.extract_if(.., |name, _| !names.contains(name.as_str())).map(|(_, pod)| gone(pod)).collect()
    }
}

fn gone(pod: Pod) -> Event {
    Event::Pod(Pod { ready: false, state: "Gone".to_owned(), ..pod })
}

fn condition_is_true(object: &Value, kind: &str) -> bool {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    conditions.is_some_and(|all| all.iter().any(|it| it["type"] == kind && it["status"] == "True"))
}

/// The STATUS column of `kubectl get pods`: why it is not running comes before the bare phase.
fn pod_state(pod: &Value) -> &str {
    if !text(pod, "/metadata/deletionTimestamp").is_empty() {
        return "Terminating";
    }
    let state = pod.pointer("/status/containerStatuses/0/state").unwrap_or(&Value::Null);
    [text(state, "/waiting/reason"), text(state, "/terminated/reason"), text(pod, "/status/phase")]
        .into_iter()
        .find(|it| !it.is_empty())
        .unwrap_or("Pending")
}

/// `6.9.2` of `ghcr.io/stefanprodan/podinfo:6.9.2`; empty without a tag.
pub(crate) fn image_tag(image: &str) -> &str {
    let last = image.rsplit('/').next().unwrap_or_default();
    last.split('@').next().and_then(|it| it.split_once(':')).map_or("", |(_, tag)| tag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_image_has_the_tag_after_its_last_colon() {
        for (image, tag) in [
            ("ghcr.io/stefanprodan/podinfo:6.9.2", "6.9.2"),
            ("localhost:5000/podinfo", ""),
            ("podinfo:1@sha256:abc", "1"),
            ("podinfo", ""),
            ("", ""),
        ] {
            assert_eq!(image_tag(image), tag, "{image}");
        }
    }

    #[test]
    fn a_pod_is_what_kubectl_would_call_it() {
        let waiting = json!({"status": {"phase": "Pending", "containerStatuses": [
            {"state": {"waiting": {"reason": "ImagePullBackOff"}}}]}});
        let going = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "status": {"phase": "Running"}});
        let running = json!({"status": {"phase": "Running"}});
        for (pod, state) in [(waiting, "ImagePullBackOff"), (going, "Terminating"), (running, "Running")] {
            assert_eq!(pod_state(&pod), state);
        }
    }

    #[test]
    fn a_pod_that_went_while_nobody_watched_is_told_when_the_watch_begins_anew() {
        let mut teller = PodTeller::default();
        for name in ["a", "b"] {
            teller.applied(&json!({"metadata": {"name": name}, "status": {"phase": "Running"}}));
        }
        let told = teller.only(&["b"].into());
        assert!(matches!(&told[..], [Event::Pod(pod)] if pod.name == "a" && pod.state == "Gone"), "{told:?}");
        assert!(teller.only(&["b"].into()).is_empty(), "and told once");
    }
}

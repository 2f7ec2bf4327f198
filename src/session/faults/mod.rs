//! Keeps the faults that are on in force: also on pods that come later, and after a container started anew.
//!
//! A fault reaches a pod through the Kubernetes API's pod proxy, as `POST /fault_injection/enable`: podinfo's own switch.
//! Where an app has no such switch, a fault that begins with a release comes with it, as environment ([`template`]). Which
//! of the two it is depends on what the app answers ([`way`]); what cannot be done is an error before the run begins.

mod template;
pub(crate) mod way;

pub use way::FaultError;

use super::ground::Ground;
use super::patience::insist_for;
use crate::cluster::Watched;
use crate::event::{Event, FaultChanged};
use crate::model::fault::{FaultKind, FaultSpec, FaultTarget};
use crate::model::object::Labels;
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::mpsc;

/// podinfo's HTTP port.
const APP_PORT: u16 = 9898;
/// How long a pod may take to answer its switch; one that is going has no time, and others wait behind it.
const SWITCHED_WITHIN: Duration = Duration::from_secs(10);
/// Orders that may wait for the task; a plan has far fewer steps at one moment.
pub(crate) const MAX_WAITING_ORDERS: usize = 256;

/// What the player asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Order {
    On(FaultSpec, FaultTarget),
    /// One kind, or every kind.
    Off(Option<FaultKind>, FaultTarget),
}

/// Which pods are the canary's and which the primary's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PodSelectors {
    pub canary: Labels,
    pub primary: Labels,
}

impl PodSelectors {
    /// The pods of a Deployment by its selector, and its primary's as Flagger makes them: the first value gets `-primary`.
    pub(crate) fn of(deployment: &Value) -> Self {
        let labels = &deployment["spec"]["selector"]["matchLabels"];
        let canary: Labels = serde_json::from_value(labels.clone()).unwrap_or_default();
        let mut primary = canary.clone();
        let selector = ["app", "name", "app.kubernetes.io/name"].into_iter().find(|it| canary.contains_key(*it));
        if let Some(value) = selector.and_then(|it| primary.get_mut(it)) {
            value.push_str("-primary");
        }
        Self { canary, primary }
    }

    pub(crate) fn target_of(&self, pod: &Value) -> Option<FaultTarget> {
        let labels = pod.pointer("/metadata/labels")?;
        let all = |wanted: &Labels| !wanted.is_empty() && wanted.iter().all(|(k, v)| labels[k] == v.as_str());
        if all(&self.canary) { Some(FaultTarget::Canary) } else { all(&self.primary).then_some(FaultTarget::Primary) }
    }
}

/// A container that runs: a restart makes a new one, without the fault.
type Running = (String, i64);

/// Keeps faults in force.
pub(crate) struct Keeper {
    ground: Ground,
    selectors: PodSelectors,
    /// Faults that come with a release: they are told and not switched.
    in_template: BTreeSet<FaultKind>,
    active: BTreeMap<(FaultTarget, FaultKind), FaultSpec>,
    /// Running containers and whose they are.
    pods: BTreeMap<Running, FaultTarget>,
    applied: BTreeSet<(Running, FaultTarget, FaultKind)>,
}

impl Keeper {
    pub(crate) fn new(ground: Ground, selectors: PodSelectors, in_template: BTreeSet<FaultKind>) -> Self {
        let (active, pods, applied) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { ground, selectors, in_template, active, pods, applied }
    }

    /// Carries out orders until the sender is dropped, then turns off what is on: a lab outlives its runs.
    pub(crate) async fn keep(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut pods = self.ground.cluster.watch("v1", "Pod", Some(&self.ground.plan.namespace), None);
        loop {
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(order) => self.carry_out(order).await,
                    None => break,
                },
                Some(change) = pods.next() => match change {
                    Watched::Applied(pod) => self.see(&pod),
                    Watched::Deleted(pod) => self.forget(&pod),
                    Watched::Restarted(all) => {
                        // Whatever is not listed is gone.
                        self.pods.clear();
                        all.iter().for_each(|pod| self.see(pod));
                    }
                },
            }
            self.reach_new_pods().await;
        }
        for key in self.active.keys().copied().collect::<Vec<_>>() {
            self.withdraw(key).await;
        }
    }

    fn see(&mut self, pod: &Value) {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let status = &pod["status"]["containerStatuses"][0];
        self.pods.retain(|(known, _), _| *known != name);
        if let (true, Some(target)) = (status["state"]["running"].is_object(), self.selectors.target_of(pod)) {
            self.pods.insert((name, status["restartCount"].as_i64().unwrap_or_default()), target);
        }
    }

    fn forget(&mut self, pod: &Value) {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        self.pods.retain(|(known, _), _| known != name);
        self.applied.retain(|((known, _), ..)| known != name);
    }

    async fn carry_out(&mut self, order: Order) {
        match order {
            Order::On(spec, target) => {
                self.tell(&spec, target, true);
                self.applied.retain(|(_, on, kind)| !(*on == target && *kind == spec.fault));
                self.active.insert((target, spec.fault), spec);
            }
            Order::Off(kind, target) => {
                let ended: Vec<_> = self
                    .active
                    .keys()
                    .filter(|(on, it)| *on == target && kind.is_none_or(|kind| kind == *it))
                    .copied()
                    .collect();
                for key in ended {
                    self.end(key).await;
                }
            }
        }
    }

    async fn end(&mut self, key: (FaultTarget, FaultKind)) {
        let Some(spec) = self.active.remove(&key) else { return };
        self.tell(&spec, key.0, false);
        self.withdraw(key).await;
    }

    /// Takes a fault from the pods that have it.
    async fn withdraw(&mut self, key: (FaultTarget, FaultKind)) {
        let hit: Vec<_> = self.applied.iter().filter(|(_, on, kind)| (*on, *kind) == key).cloned().collect();
        for (running, target, kind) in hit {
            if self.pods.contains_key(&running) {
                self.post(&running.0, "disable", &json!({"fault": kind})).await;
            }
            self.applied.remove(&(running, target, kind));
        }
    }

    async fn reach_new_pods(&mut self) {
        let mut due = Vec::new();
        for ((on, kind), spec) in self.active.iter().filter(|((_, kind), _)| !self.in_template.contains(kind)) {
            for (running, whose) in &self.pods {
                let mark = (running.clone(), *on, *kind);
                if (*on == FaultTarget::All || on == whose) && !self.applied.contains(&mark) {
                    due.push((mark, json!(spec)));
                }
            }
        }
        for (mark, body) in due {
            self.post(&mark.0.0, "enable", &body).await;
            self.applied.insert(mark);
        }
    }

    async fn post(&self, pod: &str, verb: &str, body: &Value) {
        let ground = &self.ground;
        let body = Bytes::from(body.to_string());
        let sent = insist_for(ground.clock, SWITCHED_WITHIN, || {
            let request = http::Request::post(format!("/fault_injection/{verb}"))
                .header("content-type", "application/json")
                .body(body.clone())
                .expect("a fixed path and header make a request");
            ground.cluster.pod_request(&ground.plan.namespace, pod, APP_PORT, request)
        });
        let failed = match sent.await {
            Ok(answer) if answer.status().is_success() => return,
            Ok(answer) => answer.status().to_string(),
            Err(error) => error.to_string(),
        };
        ground.note(format!("pod {pod} did not take `{verb}` of a fault: {failed}"));
    }

    fn tell(&self, spec: &FaultSpec, target: FaultTarget, on: bool) {
        let detail = spec.delay.map(|it| it.to_string()).unwrap_or_default();
        self.ground.bus.publish(Event::FaultChanged(FaultChanged {
            fault: spec.fault,
            target,
            on,
            rate: spec.rate,
            detail,
        }));
    }
}

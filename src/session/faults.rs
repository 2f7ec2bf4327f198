//! Keeps the faults that are on in force: also on pods that come later, and after a container started anew.
//!
//! A fault reaches a pod through the Kubernetes API's pod proxy, as `POST /fault_injection/enable`: podinfo's own switch.

use super::bus::Bus;
use crate::cluster::{Client, Watched};
use crate::event::{Event, FaultChanged, Note};
use crate::model::fault::{FaultKind, FaultSpec, FaultTarget};
use crate::model::object::Labels;
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::mpsc;

/// podinfo's HTTP port.
const APP_PORT: u16 = 9898;
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
    fn target_of(&self, pod: &Value) -> Option<FaultTarget> {
        let labels = pod.pointer("/metadata/labels")?;
        let all = |wanted: &Labels| !wanted.is_empty() && wanted.iter().all(|(k, v)| labels[k] == v.as_str());
        if all(&self.canary) { Some(FaultTarget::Canary) } else { all(&self.primary).then_some(FaultTarget::Primary) }
    }
}

/// A container that runs: a restart makes a new one, without the fault.
type Running = (String, i64);

struct Faults {
    cluster: Client,
    namespace: String,
    selectors: PodSelectors,
    bus: Bus,
    active: BTreeMap<(FaultTarget, FaultKind), FaultSpec>,
    /// Running containers and whose they are.
    pods: BTreeMap<Running, FaultTarget>,
    applied: BTreeSet<(Running, FaultTarget, FaultKind)>,
}

/// Carries out orders until the sender is dropped.
pub(crate) async fn keep(
    cluster: Client,
    namespace: String,
    selectors: PodSelectors,
    bus: Bus,
    mut orders: mpsc::Receiver<Order>,
) {
    let mut pods = cluster.watch("v1", "Pod", Some(&namespace), None);
    let mut faults = Faults {
        cluster,
        namespace: namespace.clone(),
        selectors,
        bus,
        active: BTreeMap::new(),
        pods: BTreeMap::new(),
        applied: BTreeSet::new(),
    };
    loop {
        tokio::select! {
            biased;
            order = orders.recv() => match order {
                Some(order) => faults.carry_out(order).await,
                None => return,
            },
            Some(change) = pods.next() => match change {
                Watched::Applied(pod) => faults.see(&pod),
                Watched::Deleted(pod) => faults.forget(&pod),
                Watched::Restarted(all) => {
                    // Whatever is not listed is gone.
                    faults.pods.clear();
                    all.iter().for_each(|pod| faults.see(pod));
                }
            },
        }
        faults.reach_new_pods().await;
    }
}

impl Faults {
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
        for ((on, kind), spec) in &self.active {
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
        let request = http::Request::post(format!("/fault_injection/{verb}"))
            .header("content-type", "application/json")
            .body(Bytes::from(body.to_string()))
            .expect("a fixed path and header make a request");
        let failed = match self.cluster.pod_request(&self.namespace, pod, APP_PORT, request).await {
            Ok(answer) if answer.status().is_success() => return,
            Ok(answer) => answer.status().to_string(),
            Err(error) => error.to_string(),
        };
        let text = format!("pod {pod} did not take `{verb}` of a fault: {failed}");
        self.bus.publish(Event::Note(Note { text }));
    }

    fn tell(&self, spec: &FaultSpec, target: FaultTarget, on: bool) {
        let detail = spec.delay.map(|it| it.to_string()).unwrap_or_default();
        self.bus.publish(Event::FaultChanged(FaultChanged { fault: spec.fault, target, on, rate: spec.rate, detail }));
    }
}

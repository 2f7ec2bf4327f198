//! HorizontalPodAutoscaler `autoscaling/v2`, after the real controller (`pkg/controller/podautoscaler`).
//!
//! Every 15 s: each metric of the spec asks for a number of replicas ([`metrics`], [`replicas`]); the highest counts; what
//! comes of it is steadied and limited ([`limits`]) and set through the target's scale. A metric without an answer hinders
//! shrinking, not growing. A target at 0 replicas is left alone, which is how Flagger switches autoscaling of an idle canary off.
//!
//! Simulated: processor use, which is estimated from requests ([`cpu_millicores`]). Not there: memory use,
//! `ContainerResource` metrics, `behavior.*.tolerance`.

mod limits;
mod metrics;
mod replicas;
mod source;

pub use source::{
    IDLE_MEMORY_BYTES, IDLE_MILLICORES, MILLICORES_PER_REQUEST_PER_SECOND, MetricSource, NoMetrics, WINDOW_SECONDS,
    cpu_millicores,
};

use super::client::{Client, add_all};
use super::events::Recorder;
use super::json::{int, list, normal, text};
use super::queue::{Key, Queue, Work};
use crate::apiserver::{Status as ApiStatus, resource};
use crate::sys::clock::{Clock, rfc3339};
use limits::{Behavior, Bounds, History, Limited};
use metrics::{Asked, Mute, Question};
use replicas::PodState;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How often each autoscaler is looked at (`--horizontal-pod-autoscaler-sync-period`).
pub const SYNC_PERIOD: Duration = Duration::from_secs(15);

pub(super) struct Controller {
    client: Client,
    clock: Clock,
    events: Recorder,
    queue: Queue,
    source: Arc<dyn MetricSource>,
    /// What is remembered of each autoscaler; it goes with the autoscaler.
    histories: BTreeMap<Key, History>,
}

/// One pass over one autoscaler.
struct Pass<'a> {
    spec: &'a Value,
    status: Status,
    bounds: Bounds,
}

/// The status on its way.
struct Status {
    conditions: Vec<Value>,
    current_metrics: Vec<Value>,
    now: String,
}

impl Controller {
    pub(super) fn new(
        client: Client,
        clock: Clock,
        events: Recorder,
        queue: Queue,
        source: Arc<dyn MetricSource>,
    ) -> Self {
        Self { client, clock, events, queue, source, histories: BTreeMap::new() }
    }

    pub(super) async fn run(mut self) {
        loop {
            match self.queue.next().await {
                Work::One(key) => self.sync(&key),
                Work::All => add_all(&self.client, resource::HORIZONTAL_POD_AUTOSCALERS, &self.queue),
            }
        }
    }

    fn sync(&mut self, key: &Key) {
        let kind = resource::HORIZONTAL_POD_AUTOSCALERS;
        let Some(autoscaler) = self.client.get(kind, &key.namespace, &key.name) else {
            self.histories.remove(key);
            return;
        };
        self.queue.add_after(key.clone(), SYNC_PERIOD);
        let mut history = self.histories.remove(key).unwrap_or_default();
        let status = self.pass(key, &autoscaler, &mut history);
        self.histories.insert(key.clone(), history);
        if normal(&status) != normal(&autoscaler["status"]) {
            let _ = self.client.patch_status(kind, key, &status);
        }
    }

    /// `reconcileAutoscaler`; gives the new status.
    fn pass(&self, key: &Key, autoscaler: &Value, history: &mut History) -> Value {
        let spec = &autoscaler["spec"];
        let mut status = Status {
            conditions: list(autoscaler, "/status/conditions").to_vec(),
            current_metrics: Vec::new(),
            now: rfc3339(self.clock.now()),
        };
        let target = &spec["scaleTargetRef"];
        let found = self.target(key, target);
        let (target_resource, scale) = match found {
            Ok(found) => found,
            Err(why) => {
                self.events.warning(autoscaler, "FailedGetScale", &why);
                let message = format!("the HPA controller was unable to get the target's current scale: {why}");
                status.set("AbleToScale", false, "FailedGetScale", &message);
                return status.write(autoscaler, (None, None), false);
            }
        };
        let message = "the HPA controller was able to get the target's current scale";
        status.set("AbleToScale", true, "SucceededGetScale", message);
        let current = int(&scale, "/spec/replicas").unwrap_or_default();
        let (min, max) = (int(spec, "/minReplicas").unwrap_or(1), int(spec, "/maxReplicas").unwrap_or(1));
        let mut pass = Pass { spec, status, bounds: Bounds { current, min, max } };
        let Some((desired, reason)) = self.decide(autoscaler, &scale, (key, &mut pass), history) else {
            return pass.status.write(autoscaler, (Some(current), None), false);
        };
        if desired == current {
            return pass.status.write(autoscaler, (Some(current), Some(desired)), false);
        }
        let target = Key::new(&key.namespace, text(target, "/name"));
        let set = self.client.scale(&target_resource, &target, desired).map(drop);
        self.report(autoscaler, set, (desired, &reason), (&mut pass, history))
    }

    /// The wanted size and why, or none when the metrics say nothing.
    fn decide(
        &self,
        autoscaler: &Value,
        scale: &Value,
        (key, pass): (&Key, &mut Pass<'_>),
        history: &mut History,
    ) -> Option<(i64, String)> {
        let Bounds { current, min, max } = pass.bounds;
        if current == 0 && min != 0 {
            let message = "scaling is disabled since the replica count of the target is zero";
            pass.status.set("ScalingActive", false, "ScalingDisabled", message);
            return Some((0, String::new()));
        }
        if current > max {
            return Some((max, "Current number of replicas above Spec.MaxReplicas".to_owned()));
        }
        if current < min {
            return Some((min, "Current number of replicas below Spec.MinReplicas".to_owned()));
        }
        let asked = self.ask(autoscaler, scale, (key, pass))?;
        let now = self.clock.now();
        let behavior = Behavior::of(pass.spec.get("behavior").unwrap_or(&Value::Null));
        let Limited { replicas, able, bounded } = limits::limit(asked.replicas, pass.bounds, &behavior, history, now);
        pass.status.set("AbleToScale", able.0, able.1, able.2);
        pass.status.set("ScalingLimited", bounded.0, bounded.1, bounded.2);
        let reason = if replicas > current {
            format!("{} above target", asked.name)
        } else {
            "All metrics below target".to_owned()
        };
        Some((replicas, reason))
    }

    /// The metric that asks for most. None when nothing can be said, or only that less would do while a metric is mute.
    fn ask(&self, autoscaler: &Value, scale: &Value, (key, pass): (&Key, &mut Pass<'_>)) -> Option<Asked> {
        let selector = text(scale, "/status/selector");
        let objects = self.client.selected(resource::PODS, &key.namespace, selector);
        let pods: Vec<PodState> = objects.iter().map(|it| PodState::of(it)).collect();
        let current = pass.bounds.current;
        let question =
            Question { source: &*self.source, namespace: &key.namespace, pods: &pods, current, now: self.clock.now() };
        let (mut most, mut mutes): (Option<Asked>, Vec<Mute>) = (None, Vec::new());
        let specs = list(pass.spec, "/metrics");
        for spec in specs {
            match question.ask(spec) {
                Ok(asked) => {
                    pass.status.current_metrics.push(asked.status.clone());
                    if most.as_ref().is_none_or(|it| asked.replicas > it.replicas) {
                        most = Some(asked);
                    }
                }
                Err(mute) => mutes.push(mute),
            }
        }
        let shrinks = most.as_ref().is_none_or(|it| it.replicas < current);
        if let (Some(first), true) = (mutes.first(), shrinks) {
            let message = format!("the HPA was unable to compute the replica count: {}", first.message);
            pass.status.set("ScalingActive", false, first.reason, &message);
            let (bad, all) = (mutes.len(), specs.len());
            self.events.warning(autoscaler, first.reason, &first.message);
            let message = format!("invalid metrics ({bad} invalid out of {all}), first error is: {}", first.message);
            self.events.warning(autoscaler, "FailedComputeMetricsReplicas", &message);
            return None;
        }
        if let Some(asked) = &most {
            let message = format!("the HPA was able to successfully calculate a replica count from {}", asked.name);
            pass.status.set("ScalingActive", true, "ValidMetricFound", &message);
        }
        most
    }

    /// Tells how setting the size went.
    fn report(
        &self,
        autoscaler: &Value,
        set: Result<(), ApiStatus>,
        (desired, reason): (i64, &str),
        (pass, history): (&mut Pass<'_>, &mut History),
    ) -> Value {
        let current = pass.bounds.current;
        if let Err(error) = set {
            let message = format!("New size: {desired}; reason: {reason}; error: {error}");
            self.events.warning(autoscaler, "FailedRescale", &message);
            let message = format!("the HPA controller was unable to update the target scale: {error}");
            pass.status.set("AbleToScale", false, "FailedUpdateScale", &message);
            return pass.status.write(autoscaler, (Some(current), Some(current)), false);
        }
        self.events.normal(autoscaler, "SuccessfulRescale", &format!("New size: {desired}; reason: {reason}"));
        let message = format!("the HPA controller was able to update the target scale to {desired}");
        pass.status.set("AbleToScale", true, "SucceededRescale", &message);
        history.scaled(current, desired, self.clock.now());
        pass.status.write(autoscaler, (Some(current), Some(desired)), true)
    }

    fn target(&self, key: &Key, reference: &Value) -> Result<(String, Arc<Value>), String> {
        let (version, kind) = (text(reference, "/apiVersion"), text(reference, "/kind"));
        let resource = self.client.resource_of(version, kind);
        let resource = resource.ok_or_else(|| format!("no matches for kind \"{kind}\" in version \"{version}\""))?;
        let target = Key::new(&key.namespace, text(reference, "/name"));
        let scale = self.client.get_scale(&resource, &target).map_err(|error| error.to_string())?;
        Ok((resource, scale))
    }
}

impl Status {
    /// The transition time moves with the status alone.
    fn set(&mut self, kind: &str, status: bool, reason: &str, message: &str) {
        let status = if status { "True" } else { "False" };
        let mut condition = json!({
            "type": kind,
            "status": status,
            "lastTransitionTime": self.now,
            "reason": reason,
            "message": message,
        });
        match self.conditions.iter_mut().find(|it| it["type"] == kind) {
            Some(known) => {
                if known["status"] == status {
                    condition["lastTransitionTime"] = known["lastTransitionTime"].take();
                }
                *known = condition;
            }
            None => self.conditions.push(condition),
        }
    }

    fn write(&self, autoscaler: &Value, sizes: (Option<i64>, Option<i64>), scaled: bool) -> Value {
        let before = &autoscaler["status"];
        let (current, desired) = sizes;
        let last = if scaled { json!(self.now) } else { before["lastScaleTime"].clone() };
        let metrics = if self.current_metrics.is_empty() {
            before["currentMetrics"].clone()
        } else {
            json!(self.current_metrics)
        };
        json!({
            "observedGeneration": autoscaler["metadata"]["generation"],
            "currentReplicas": current.map_or_else(|| before["currentReplicas"].clone(), |it| json!(it)),
            "desiredReplicas": desired.or(int(before, "/desiredReplicas")).unwrap_or_default(),
            "lastScaleTime": last,
            "currentMetrics": metrics,
            "conditions": self.conditions,
        })
    }
}

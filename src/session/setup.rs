//! Brings the scenario's objects into the lab and waits until its Canary can take releases.

use super::bus::Bus;
use super::observe::Seen;
use crate::cluster::{Client, ClusterError};
use crate::event::{Event, LabStep, StepState};
use crate::model::canary::Phase;
use crate::model::object::ObjectRef;
use crate::scenario::Plan;
use crate::sys::clock::Clock;
use std::time::Duration;
use tokio::sync::watch;

/// Who the scenario's objects are applied as (server-side apply).
pub(crate) const FIELD_MANAGER: &str = "coalmine";
/// How long a Canary may take to become Initialized: image pulls on a slow network are in it.
pub(crate) const INITIALIZE_WITHIN: Duration = Duration::from_mins(10);

#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("the lab did not take {object}: {source}")]
    Apply { object: ObjectRef, source: ClusterError },
    #[error(
        "the Canary {canary} did not become Initialized within {}; its phase is `{phase}`. The primary's pods have to \
        become ready: look at the pods and events above",
        crate::model::duration::go(INITIALIZE_WITHIN)
    )]
    NotInitialized { canary: String, phase: Phase },
}

/// Applies every object of the plan, in its order.
pub(crate) async fn apply(plan: &Plan, cluster: &Client, bus: &Bus) -> Result<(), SetupError> {
    let name = "apply the scenario's objects";
    step(bus, name, StepState::Started, &format!("{} objects in {}", plan.objects.len(), plan.namespace));
    for object in &plan.objects {
        if let Err(source) = cluster.apply(object, FIELD_MANAGER, true).await {
            let object = ObjectRef::of(object);
            step(bus, name, StepState::Failed, &object.to_string());
            return Err(SetupError::Apply { object, source });
        }
    }
    step(bus, name, StepState::Done, "");
    Ok(())
}

/// Waits for phase Initialized (or a later one: a lab may have run before).
pub(crate) async fn wait_until_initialized(
    plan: &Plan,
    clock: Clock,
    bus: &Bus,
    seen: &mut watch::Receiver<Seen>,
) -> Result<(), SetupError> {
    let name = "wait for the Canary";
    step(bus, name, StepState::Started, "until its phase is Initialized");
    let ready = |it: &Seen| matches!(it.phase, Phase::Initialized | Phase::Succeeded | Phase::Failed);
    let until = clock.elapsed() + INITIALIZE_WITHIN;
    let in_time = tokio::select! {
        biased;
        it = seen.wait_for(ready) => it.is_ok(),
        () = clock.sleep_until(until) => false,
    };
    if in_time {
        step(bus, name, StepState::Done, "");
        return Ok(());
    }
    let phase = seen.borrow().phase;
    step(bus, name, StepState::Failed, phase.name());
    Err(SetupError::NotInitialized { canary: plan.canary.name.clone(), phase })
}

pub(crate) fn step(bus: &Bus, name: &str, state: StepState, detail: &str) {
    bus.publish(Event::LabStep(LabStep { name: name.to_owned(), state, detail: detail.to_owned() }));
}

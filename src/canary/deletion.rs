//! Deletion: what a Canary with `revertOnDeletion` puts back before it goes.

use super::ask::{Answer, Ask, Input, Step, Turn, Write};
use super::context::{Target, Tick};
use super::initialize::{self, DEPLOYMENT};
use super::messages;
use super::objects::{self, service::Role};
use super::policy;
use super::script::{Context, Run, Script, Stop};
use crate::model::canary::Phase;
use serde_json::{Value, json};
use std::time::Duration;

/// What keeps a Canary with `revertOnDeletion` until its target is back.
pub const FINALIZER: &str = "finalizer.flagger.app";

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// How often the target's readiness is asked, and how the waits grow: 3 s, 6 s, 12 s, never above the interval.
const READY_ATTEMPTS: u32 = 4;
const FIRST_WAIT: Duration = Duration::from_secs(3);

/// The finalizers that a Canary should have: with [`FINALIZER`] while `revertOnDeletion` is set, without it otherwise.
/// Nothing where it has them. Called by the informer, not by ticks.
#[must_use]
pub fn wanted_finalizers(metadata: &Value, revert: bool) -> Option<Vec<String>> {
    let mut wanted = finalizers(metadata);
    match (wanted.iter().any(|it| it == FINALIZER), revert) {
        (false, true) => wanted.push(FINALIZER.to_owned()),
        (true, false) => wanted.retain(|it| it != FINALIZER),
        _ => return None,
    }
    Some(wanted)
}

fn finalizers(metadata: &Value) -> Vec<String> {
    metadata["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// One call of a deletion, driven as [`super::tick()`] is. `Outcome::Failed` means: try again later.
#[must_use]
pub fn finalize(input: &Input<'_>, answers: &[Answer]) -> Turn {
    let mut script = Script::new(answers);
    match script.canary() {
        Err(stop) => script.turn(Err(stop)),
        Ok(Ok(Some(canary))) => {
            let mut tick = Tick::new(input, canary, script);
            let run = revert(&mut tick);
            tick.script.turn(run)
        }
        Ok(Ok(None)) => script.turn(Ok(Step::Read)),
        Ok(Err(error)) => script.turn(Err(Stop::Failed(format!("get query error: {error}")))),
    }
}

fn revert(tick: &mut Tick<'_>) -> Run<Step> {
    let canary = tick.canary;
    if tick.phase != Phase::Terminating {
        tick.set_phase(Phase::Terminating).context(|error| format!("failed to update status: {error}"))?;
        tick.normal(messages::terminating);
    }
    let target = initialize::target(tick).context(|error| format!("failed to revert target: {error}"))?;
    restore_replicas(tick).context(|error| format!("failed to revert target: {error}"))?;
    let (key, kind) = (messages::canary(canary), &canary.spec.target_ref.kind);
    tick.say(|| format!("{key} kind {kind} reverted"));
    tick.say(|| format!("Checking if canary is ready {key}"));
    wait_until_ready(tick)?;
    restore_apex(tick, &target).context(|error| format!("failed revert router: {error}"))?;
    tick.say(|| format!("{key} router reverted"));
    let provider = policy::provider(canary, tick.settings);
    tick.say(|| format!("{key} mesh provider {provider} reverted"));
    tick.say(|| format!("Finalization complete for {key}"));
    let mut kept = finalizers(&canary.metadata);
    kept.retain(|it| it != FINALIZER);
    tick.patch("flagger.app/v1beta1", "Canary", canary.name(), || json!({"metadata": {"finalizers": kept}}))
        .context(|error| format!("failed to remove finalizer: {error}"))?;
    tick.normal(messages::terminated);
    Ok(Step::Router)
}

/// The target gets the primary's replicas.
fn restore_replicas(tick: &mut Tick<'_>) -> Run<()> {
    let name = format!("{}-primary", tick.canary.spec.target_ref.name);
    let primary = tick.find(DEPLOYMENT.0, DEPLOYMENT.1, &name)?;
    let replicas = primary.map_or(1, |it| it["spec"]["replicas"].as_i64().unwrap_or(1));
    initialize::scale(tick, replicas)
}

fn wait_until_ready(tick: &mut Tick<'_>) -> Run<()> {
    let canary = tick.canary;
    let interval = canary.spec.analysis.effective_interval();
    let mut wait = FIRST_WAIT;
    for attempt in 1..=READY_ATTEMPTS {
        let target = initialize::target(tick)?;
        let Err(why) = initialize::canary_readiness(tick, &target) else { break };
        if attempt == READY_ATTEMPTS {
            let words = messages::canary_not_ready(canary, &why.reason);
            return Err(Stop::Failed(format!("canary not ready during finalizing: {words}")));
        }
        let this = wait.min(interval);
        let _waited = tick.call(|| Ask::Wait(this))?;
        wait *= 2;
    }
    Ok(())
}

/// An apex Service that was there before the Canary selects the target's pods again.
fn restore_apex(tick: &mut Tick<'_>, target: &Target<'_>) -> Run<()> {
    let name = Role::Apex.name(tick.canary);
    let Some(service) = tick.find("v1", "Service", &name)? else { return Ok(()) };
    if objects::has_owner(service) {
        return Ok(());
    }
    let applied = service["metadata"]["annotations"][LAST_APPLIED].as_str();
    let applied = applied.and_then(|it| serde_json::from_str::<Value>(it).ok());
    let selector = applied.map(|it| it["spec"]["selector"].clone()).filter(Value::is_object);
    tick.write(|| {
        let mut changed = service.clone();
        changed["spec"]["selector"] = selector.unwrap_or_else(|| json!({target.label: target.value}));
        Write::Replace(changed)
    })
    .context(|error| format!("service {name} update error: {error}"))
}

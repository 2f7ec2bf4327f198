//! Webhooks: who is called when, with which body, and what their answers mean.

use super::ask::{Ask, Event, HookCall, Level, Severity, StatusWrite};
use super::context::Tick;
use super::detect;
use super::messages;
use super::script::Run;
use crate::model::canary::{Canary, Phase, Webhook};
use serde_json::{Map, Value, json};

/// The body of a call: `metadata` is left out where it is empty.
#[must_use]
pub fn payload(canary: &Canary, phase: Phase, metadata: Map<String, Value>) -> Value {
    let mut payload = json!({
        "name": canary.name(),
        "namespace": canary.namespace(),
        "phase": phase.name(),
        "checksum": detect::checksum(canary),
    });
    if !metadata.is_empty() {
        payload["metadata"] = Value::Object(metadata);
    }
    payload
}

/// The calls that an event causes: the Canary's own `event` hooks, or the controller's global one where it has none.
///
/// `at_ms` is Unix time in milliseconds. Failures are only logged: `error sending event to webhook: {err}`.
#[must_use]
pub fn event_calls(canary: &Canary, event: &Event, at_ms: i64, global: Option<&str>) -> Vec<HookCall> {
    let own: Vec<_> = of_type(canary, "event").cloned().collect();
    let hooks = match (own.is_empty(), global) {
        (true, Some(url)) if !url.is_empty() => vec![Webhook { url: url.to_owned(), ..Webhook::default() }],
        _ => own,
    };
    let kind = if event.level == Level::Normal { "Normal" } else { "Warning" };
    let call = |hook: Webhook| {
        let mut metadata = Map::new();
        metadata.insert("eventMessage".to_owned(), json!(event.message));
        metadata.insert("eventType".to_owned(), json!(kind));
        metadata.insert("timestamp".to_owned(), json!(at_ms.to_string()));
        for (key, value) in &hook.metadata {
            metadata.entry(key).or_insert_with(|| json!(value));
        }
        HookCall { payload: payload(canary, event.phase, metadata), hook }
    };
    hooks.into_iter().map(call).collect()
}

fn of_type<'a>(canary: &'a Canary, kind: &'a str) -> impl Iterator<Item = &'a Webhook> {
    canary.spec.analysis.webhooks.iter().filter(move |hook| hook.hook_type == kind)
}

fn call<'a>(tick: &mut Tick<'a>, hook: &'a Webhook, phase: Phase) -> Run<Result<(), &'a str>> {
    let canary = tick.canary;
    tick.call(|| {
        let metadata = hook.metadata.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        Ask::Hook(Box::new(HookCall { hook: hook.clone(), payload: payload(canary, phase, metadata) }))
    })
}

/// Asks the `confirm-rollout` gates, in order. Closed: the Canary waits; it says so once.
pub(super) fn confirm_rollout(tick: &mut Tick<'_>) -> Run<bool> {
    let canary = tick.canary;
    for hook in of_type(canary, "confirm-rollout") {
        if call(tick, hook, tick.phase)?.is_ok() {
            tick.normal(|_| messages::hook_passed("Confirm-rollout", &hook.name));
            continue;
        }
        if tick.phase != Phase::Waiting {
            tick.or_log(|tick| tick.set_phase(Phase::Waiting))?;
            tick.warn(|it| messages::halt(it, &format!("waiting for approval {}", hook.name)));
            alert_unless_muted(tick, hook, "Canary is waiting for approval.");
        }
        return Ok(false);
    }
    Ok(true)
}

/// Runs the `pre-rollout` hooks, in order, up to the first failure.
pub(super) fn pre_rollout(tick: &mut Tick<'_>) -> Run<bool> {
    let canary = tick.canary;
    for hook in of_type(canary, "pre-rollout") {
        if let Err(error) = call(tick, hook, Phase::Progressing)? {
            tick.warn(|it| messages::halt(it, &format!("pre-rollout check {} failed {error}", hook.name)));
            return Ok(false);
        }
        tick.normal(|_| messages::hook_passed("Pre-rollout", &hook.name));
    }
    Ok(true)
}

/// Runs the `rollout` hooks (also those without a type), in order, up to the first failure; silent where they pass.
pub(super) fn rollout(tick: &mut Tick<'_>) -> Run<bool> {
    let canary = tick.canary;
    for hook in &canary.spec.analysis.webhooks {
        if !matches!(hook.hook_type.as_str(), "" | "rollout") {
            continue;
        }
        if let Err(error) = call(tick, hook, Phase::Progressing)? {
            tick.warn(|it| messages::halt(it, &format!("external check {} failed {error}", hook.name)));
            return Ok(false);
        }
    }
    Ok(true)
}

/// Asks the `confirm-traffic-increase` gates; a closed one says so on every tick.
pub(super) fn confirm_traffic_increase(tick: &mut Tick<'_>) -> Run<bool> {
    let canary = tick.canary;
    for hook in of_type(canary, "confirm-traffic-increase") {
        if call(tick, hook, Phase::Progressing)?.is_err() {
            tick.warn(|it| messages::halt(it, &format!("waiting for traffic increase approval {}", hook.name)));
            alert_unless_muted(tick, hook, "Canary traffic increase is waiting for approval.");
            return Ok(false);
        }
        tick.normal(|_| messages::hook_passed("Confirm-traffic-increase", &hook.name));
    }
    Ok(true)
}

/// Asks the `confirm-promotion` gates. Closed: WaitingPromotion, said once; later only the iterations go back, to one less
/// than the policy's.
pub(super) fn confirm_promotion(tick: &mut Tick<'_>, iterations: i64) -> Run<bool> {
    let canary = tick.canary;
    for hook in of_type(canary, "confirm-promotion") {
        if call(tick, hook, Phase::Progressing)?.is_ok() {
            tick.normal(|_| messages::hook_passed("Confirm-promotion", &hook.name));
            continue;
        }
        if tick.phase == Phase::WaitingPromotion {
            tick.or_log(|tick| tick.set_status(|| StatusWrite::SetIterations(iterations - 1)))?;
        } else {
            tick.or_log(|tick| tick.set_status(|| StatusWrite::WaitForPromotion { iterations: iterations - 1 }))?;
            tick.warn(|it| messages::halt(it, &format!("waiting for promotion approval {}", hook.name)));
            alert_unless_muted(tick, hook, "Canary promotion is waiting for approval.");
        }
        return Ok(false);
    }
    Ok(true)
}

/// Asks the `rollback` hooks: the first that passes wants a rollback.
pub(super) fn rollback(tick: &mut Tick<'_>) -> Run<bool> {
    let canary = tick.canary;
    for hook in of_type(canary, "rollback") {
        if call(tick, hook, tick.phase)?.is_ok() {
            tick.warn(|_| messages::hook_passed("Rollback", &hook.name));
            return Ok(true);
        }
        tick.normal(|_| messages::no_rollback(&hook.name));
    }
    Ok(false)
}

/// Runs the `post-rollout` hooks with the phase that the run ended in; the first that fails stops the rest. Events about
/// them carry that phase after a success only: after a failure Flagger goes on with the Canary as the tick read it.
pub(super) fn post_rollout(tick: &mut Tick<'_>, phase: Phase) -> Run<()> {
    let canary = tick.canary;
    let told = if phase == Phase::Succeeded { phase } else { tick.phase };
    for hook in of_type(canary, "post-rollout") {
        if let Err(error) = call(tick, hook, phase)? {
            tick.event(Level::Warning, told, |_| messages::post_rollout_failed(&hook.name, error));
            return Ok(());
        }
        tick.event(Level::Normal, told, |_| messages::hook_passed("Post-rollout", &hook.name));
    }
    Ok(())
}

fn alert_unless_muted(tick: &mut Tick<'_>, hook: &Webhook, message: &str) {
    if !hook.mute_alert {
        tick.alert(Severity::Warn, || message.to_owned());
    }
}

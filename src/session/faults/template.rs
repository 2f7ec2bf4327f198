//! Faults of apps that have no switch: podinfo's own flags, set as environment in the pod template of the release that the
//! fault begins with. A change of the template at any other moment would be a new revision.

use crate::event::Policy;
use crate::model::canary::{MIN_INTERVAL, Phase};
use crate::model::fault::{DelaySpec, FaultKind, FaultSpec, FaultTarget};
use crate::scenario::Plan;
use crate::scenario::plan::{Act, PlannedStep, When};
use serde_json::{Value, json};
use std::time::Duration;

/// podinfo's random errors: one in three requests, by turns 500, 400 and 409.
const RANDOM_ERRORS: f64 = 1.0 / 9.0;

/// Moves the fault of one step into the release before it, and out of the template again with the release after it.
/// Gives what people should know, or why it cannot be done, each in words.
pub(super) fn into_release(plan: &mut Plan, index: usize) -> Result<String, String> {
    let step = plan.steps[index].clone();
    let Act::FaultOn { spec, target, lasting } = &step.act else { return Ok(String::new()) };
    if *target != FaultTarget::Canary {
        return Err("only a fault on the canary can come with its release".to_owned());
    }
    let release = last_release(&plan.steps[..index]).ok_or("there is no release before it to come with")?;
    if !begins_with(&plan.steps, release, index, &plan.policy) {
        return Err("it begins in the midst of a release, when the pods run already".to_owned());
    }
    let next = next_release(&plan.steps, index);
    let ends = plan.steps[index..next.unwrap_or(plan.steps.len())].iter().any(|it| is_end_of(&it.act, spec.fault));
    if lasting.is_some() || ends {
        return Err("it is to end before the release does, when the pods still run".to_owned());
    }
    let container = plan.container().ok_or("the target has no container")?;
    if !is_podinfo(&container) {
        return Err("the app is not podinfo, so nothing is known about its flags".to_owned());
    }
    let set = environment(spec)?;
    let probe = spared_probe(spec, &container);
    let mut with = json!({"name": container["name"],
        "env": set.iter().map(|(name, value)| json!({"name": name, "value": value})).collect::<Vec<_>>()});
    let mut without = json!({"name": container["name"],
        "env": set.iter().map(|(name, _)| json!({"name": name, "$patch": "delete"})).collect::<Vec<_>>()});
    if let Some((spared, usual)) = probe {
        with["readinessProbe"] = spared;
        without["readinessProbe"] = usual;
    }
    add(&mut plan.steps[release], with);
    if let Some(next) = next {
        add(&mut plan.steps[next], without);
    }
    Ok(note(spec))
}

impl Plan {
    /// The target's first container, as the plan's manifests have it.
    fn container(&self) -> Option<Value> {
        let is_target = |it: &&Value| it["kind"] == "Deployment" && it["metadata"]["name"] == self.target.name;
        self.objects.iter().find(is_target)?.pointer("/spec/template/spec/containers/0").cloned()
    }
}

fn last_release(steps: &[PlannedStep]) -> Option<usize> {
    steps.iter().rposition(|it| matches!(it.act, Act::Release(_)))
}

fn next_release(steps: &[PlannedStep], after: usize) -> Option<usize> {
    let place = steps[after..].iter().position(|it| matches!(it.act, Act::Release(_)))?;
    Some(after + place)
}

fn is_end_of(act: &Act, kind: FaultKind) -> bool {
    matches!(act, Act::FaultOff { fault, target } if fault.is_none_or(|it| it == kind) && *target != FaultTarget::Primary)
}

/// Whether users meet the fault from their first request to the new version on, so that it may as well be there before:
/// the first weight comes one interval after the detection at the earliest.
fn begins_with(steps: &[PlannedStep], release: usize, index: usize, policy: &Policy) -> bool {
    match (&steps[index].when, &steps[release].when) {
        (When::OnPhase { phase, .. }, _) => matches!(phase, Phase::Waiting | Phase::Progressing),
        (When::OnWeight { weight, .. }, _) => policy.weights.first().is_some_and(|first| weight <= first),
        (When::After(_), _) => waited(&steps[release + 1..=index]).is_some_and(|it| it <= MIN_INTERVAL),
        (When::At(fault), When::At(release)) => fault.saturating_sub(*release) <= MIN_INTERVAL,
        (When::At(_), _) => false,
    }
}

/// How long these steps wait together; none where one waits for something else than time.
fn waited(steps: &[PlannedStep]) -> Option<Duration> {
    steps.iter().map(|it| if let When::After(wait) = it.when { Some(wait) } else { None }).sum()
}

fn is_podinfo(container: &Value) -> bool {
    let image = container["image"].as_str().unwrap_or_default();
    let last = image.rsplit('/').next().unwrap_or_default();
    last.split([':', '@']).next() == Some("podinfo")
}

/// podinfo's flags for a fault, as environment.
fn environment(spec: &FaultSpec) -> Result<Vec<(&'static str, String)>, String> {
    let delay = |min: u64, max: u64| {
        vec![
            ("PODINFO_RANDOM_DELAY", "true".to_owned()),
            ("PODINFO_RANDOM_DELAY_UNIT", "ms".to_owned()),
            ("PODINFO_RANDOM_DELAY_MIN", min.to_string()),
            // Equal bounds break podinfo's answers.
            ("PODINFO_RANDOM_DELAY_MAX", max.max(min + 1).to_string()),
        ]
    };
    match (spec.fault, spec.delay) {
        (FaultKind::Http500, _) if spec.rate >= RANDOM_ERRORS => Ok(vec![("PODINFO_RANDOM_ERROR", "true".to_owned())]),
        (FaultKind::Http500, _) => {
            Err("podinfo's random errors are 11 % of all requests, and fewer are asked for".to_owned())
        }
        (FaultKind::Delay, _) if spec.rate < 1.0 => Err("podinfo's delay hits every request".to_owned()),
        (FaultKind::Delay, Some(DelaySpec::Fixed { millis })) => Ok(delay(millis, millis)),
        (FaultKind::Delay, Some(DelaySpec::Uniform { min_millis, max_millis })) => Ok(delay(min_millis, max_millis)),
        (FaultKind::Delay, _) => Err("podinfo's delays are evenly distributed".to_owned()),
        (kind, _) => Err(format!("podinfo has no flag for {}", kind.name())),
    }
}

/// Random errors hit the probes of their port too, so the readiness probe goes where the liveness probe is, if that is
/// another port. Gives the probe with the fault and the one without it.
fn spared_probe(spec: &FaultSpec, container: &Value) -> Option<(Value, Value)> {
    let (ready, alive) = (&container["readinessProbe"]["httpGet"], &container["livenessProbe"]["httpGet"]);
    let elsewhere = ready.is_object() && alive.is_object() && ready["port"] != alive["port"];
    (spec.fault == FaultKind::Http500 && elsewhere).then(|| (json!({"httpGet": alive}), json!({"httpGet": ready})))
}

fn note(spec: &FaultSpec) -> String {
    match spec.fault {
        FaultKind::Http500 => "it comes with the release, as PODINFO_RANDOM_ERROR: about 11 % of all requests are answered \
                               with 500 and 22 % with 400 or 409, whatever the rate says; hooks that ask the app can fail too"
            .to_owned(),
        _ => "it comes with the release, as PODINFO_RANDOM_DELAY".to_owned(),
    }
}

/// Merges a container's part into a release's strategic-merge patch.
fn add(step: &mut PlannedStep, part: Value) {
    let Act::Release(release) = &mut step.act else { return };
    let containers = &mut release.patch["spec"]["template"]["spec"]["containers"];
    if !containers.is_array() {
        *containers = json!([]);
    }
    let list = containers.as_array_mut().expect("made an array above");
    let Some(there) = list.iter_mut().find(|it| it["name"] == part["name"]) else { return list.push(part) };
    for (key, value) in part.as_object().into_iter().flatten() {
        match (&mut there[key], value) {
            (Value::Array(have), Value::Array(more)) => have.extend(more.iter().cloned()),
            (Value::Object(have), Value::Object(more)) => have.extend(more.clone()),
            (have, more) => *have = more.clone(),
        }
    }
}

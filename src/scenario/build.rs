//! From a scenario without errors to the plan.

use super::check::short;
use super::format::{ExpectFile, FaultOnFile, ReleaseFile, StepFile, StreamFile, WhenFile};
use super::plan::{Act, Count, Expect, Plan, PlannedStep, Release, When};
use super::policy;
use super::release::{Container, Template};
use super::scene::Scene;
use crate::model::fault::{FaultSpec, FaultTarget};
use crate::model::object::ObjectRef;
use crate::model::traffic::{Arrivals, Stream};
use serde_json::{Value, json};
use std::time::Duration;

/// Traffic before the first step: the default window of Flagger's checks.
const WARMUP: Duration = Duration::from_secs(60);
const TIME_LIMIT: Duration = Duration::from_secs(15 * 60);
const SETTLE: Duration = Duration::from_secs(15);
/// How long a step waits for its phase or weight.
const WITHIN: Duration = Duration::from_secs(5 * 60);
/// When a client gives up.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The plan. None where the target is missing, which is an error of its own.
pub(super) fn plan(scene: &Scene<'_>) -> Option<Plan> {
    let file = scene.file;
    let target = scene.target?;
    let mut template = Template::new(Container::of(&target.value)?);
    let version = template.tag().to_owned();
    let or = |given: &Option<super::format::At<Duration>>, default| given.as_ref().map_or(default, |it| it.value);
    let host = scene.host();
    let steps: Vec<PlannedStep> =
        file.steps.iter().map(|step| planned(scene, &step.step, &mut template, &host)).collect();
    Some(Plan {
        name: file.name.value.clone(),
        title: file.title.value.clone(),
        description: file.description.clone(),
        provider: scene.canary.spec.provider.clone(),
        namespace: scene.namespace().to_owned(),
        objects: scene.docs.iter().map(|doc| doc.value.clone()).collect(),
        canary: scene.doc.id.clone(),
        target: target.id.clone(),
        version,
        load_tester: load_tester(scene),
        traffic: file.traffic.iter().map(|it| stream(it, &host)).collect(),
        host,
        warmup: or(&file.warmup, WARMUP),
        expect: expect(&file.expect, &steps),
        steps,
        time_limit: or(&file.time_limit, TIME_LIMIT),
        settle: or(&file.settle, SETTLE),
        policy: policy::describe(&scene.canary),
    })
}

fn planned(scene: &Scene<'_>, step: &StepFile, template: &mut Template, host: &str) -> PlannedStep {
    let (act, text) = match step {
        StepFile::Release(it) => release(scene, it, template),
        StepFile::FaultOn(it) => fault_on(it),
        StepFile::FaultOff(it) => {
            let target = it.on.as_ref().map_or(FaultTarget::All, |it| it.value);
            let fault = it.fault.as_ref().map(|it| it.value);
            let name = fault.map_or("every fault", crate::model::fault::FaultKind::name);
            (Act::FaultOff { fault, target }, format!("turn off {name} on {}", pods(target)))
        }
        StepFile::Traffic(it) => {
            let streams: Vec<Stream> = it.streams.iter().map(|it| stream(it, host)).collect();
            let stop: Vec<String> = it.stop.iter().map(|it| it.value.clone()).collect();
            let text = traffic_text(&streams, &stop);
            (Act::Traffic { streams, stop }, text)
        }
        StepFile::OpenGate(_) => (Act::Gate { open: true }, "open the gate".to_owned()),
        StepFile::CloseGate(_) => (Act::Gate { open: false }, "close the gate".to_owned()),
        StepFile::RollBack(_) => (Act::RollBack, "roll back by hand".to_owned()),
        StepFile::Wait(it) => (Act::Wait, wait_text(&it.when)),
    };
    PlannedStep { when: when(super::check::when(step)), act, text }
}

fn when(when: &WhenFile) -> When {
    let within = when.within.as_ref().map_or(WITHIN, |it| it.value);
    if let Some(at) = &when.at {
        When::At(at.value)
    } else if let Some(phase) = &when.on_phase {
        When::OnPhase { phase: phase.value, within }
    } else if let Some(weight) = &when.on_weight {
        When::OnWeight { weight: weight.value, within }
    } else {
        When::After(when.after.as_ref().map_or(Duration::ZERO, |it| it.value))
    }
}

fn wait_text(when: &WhenFile) -> String {
    match self::when(when) {
        When::At(at) => format!("wait until {}", short(at)),
        When::After(after) => format!("wait {}", short(after)),
        When::OnPhase { phase, within } => format!("wait for phase {phase}, at most {}", short(within)),
        When::OnWeight { weight, within } => format!("wait for weight {weight}, at most {}", short(within)),
    }
}

fn release(scene: &Scene<'_>, release: &ReleaseFile, template: &mut Template) -> (Act, String) {
    let patch = template.release(release);
    let version = template.tag().to_owned();
    let config = |name: &String, data: &Value| {
        (ObjectRef::new("v1", "ConfigMap", scene.namespace(), name), json!({"data": data}))
    };
    let configs: Vec<_> = release.configs.iter().map(|(name, data)| config(name, &json!(data.value))).collect();
    let mut with: Vec<String> = release.env.iter().map(|(name, value)| format!("{name}={}", value.value)).collect();
    with.extend(release.configs.keys().map(|name| format!("a changed ConfigMap {name}")));
    with.extend(release.faults.iter().map(|it| it.kind.name().to_owned()));
    let with = if with.is_empty() { String::new() } else { format!(" with {}", with.join(", ")) };
    (Act::Release(Release { patch, configs, version: version.clone() }), format!("release {version}{with}"))
}

fn fault_on(it: &FaultOnFile) -> (Act, String) {
    let target = it.on.as_ref().map_or(FaultTarget::Canary, |it| it.value);
    let rate = it.rate.as_ref().map_or(1.0, |it| it.value);
    let lasting = it.lasting.as_ref().map(|it| it.value);
    let delay = it.delay.as_ref().map(|it| it.value);
    let spec = FaultSpec { fault: it.fault.value, rate, delay };
    let length = delay.map(|it| format!(" of {it}")).unwrap_or_default();
    let time = lasting.map(|it| format!(" for {}", short(it))).unwrap_or_default();
    let text = format!("turn on {}{length} at {} % on {}{time}", it.fault.name(), percent(rate), pods(target));
    (Act::FaultOn { spec, target, lasting }, text)
}

/// A share in percent, without float dust.
fn percent(rate: f64) -> f64 {
    (rate * 1e6).round() / 1e4
}

fn pods(target: FaultTarget) -> &'static str {
    match target {
        FaultTarget::Canary => "the canary",
        FaultTarget::Primary => "the primary",
        FaultTarget::All => "all pods",
    }
}

fn stream(it: &StreamFile, host: &str) -> Stream {
    Stream {
        name: it.name.value.clone(),
        arrivals: it.arrivals.value.clone(),
        method: it.method.as_ref().map_or("GET", |it| &it.value).to_owned(),
        host: it.host.as_ref().map_or(host, |it| &it.value).to_owned(),
        path: it.path.as_ref().map_or("/", |it| &it.value).to_owned(),
        headers: it.headers.clone(),
        body: it.body.as_ref().map(|it| it.value.clone()).unwrap_or_default(),
        timeout: it.timeout.as_ref().map_or(TIMEOUT, |it| it.value),
    }
}

fn traffic_text(streams: &[Stream], stop: &[String]) -> String {
    let rate = |stream: &Stream| match &stream.arrivals {
        Arrivals::Constant { per_second } | Arrivals::Poisson { per_second } => format!("{per_second}/s"),
        Arrivals::Ramp { from, to, over } => format!("{from}/s to {to}/s over {}", short(*over)),
    };
    let mut parts: Vec<String> = streams.iter().map(|it| format!("send {} at {}", it.name, rate(it))).collect();
    parts.extend(stop.iter().map(|name| format!("stop {name}")));
    parts.join(", ")
}

/// Base URL of the load tester: that of a hook which asks its gate or switch, or else runs a task on it.
fn load_tester(scene: &Scene<'_>) -> Option<String> {
    let hooks = &scene.canary.spec.analysis.webhooks;
    let base = |url: &str, paths: &[&str]| -> Option<String> {
        let uri: http::Uri = url.parse().ok()?;
        let known = paths.contains(&uri.path());
        known.then(|| {
            format!(
                "{}://{}",
                uri.scheme_str().unwrap_or("http"),
                uri.authority().map_or("", http::uri::Authority::as_str)
            )
        })
    };
    let asked = hooks.iter().find_map(|it| base(&it.url, &["/gate/check", "/rollback/check"]));
    asked.or_else(|| hooks.iter().filter(|it| it.url.contains("loadtester")).find_map(|it| base(&it.url, &["/"])))
}

fn expect(it: &ExpectFile, steps: &[PlannedStep]) -> Expect {
    let waits = |step: &PlannedStep| matches!(step.when, When::OnPhase { .. } | When::OnWeight { .. });
    let texts = |list: &[super::format::At<String>]| list.iter().map(|it| it.value.clone()).collect();
    Expect {
        verdict: it.verdict.as_ref().map(|it| it.value),
        phases: it.phases.iter().map(|it| it.value).collect(),
        weight_never_above: it.weight_never_above.as_ref().map(|it| it.value),
        promoted_within: it.promoted_within.as_ref().map(|it| it.value),
        rolled_back_within: it.rolled_back_within.as_ref().map(|it| it.value),
        harmed_at_most: it.requests_harmed_at_most.as_ref().and_then(|it| u64::try_from(it.value).ok()),
        events: texts(&it.events),
        no_events: texts(&it.no_events),
        failed_checks: it.failed_checks.as_ref().map(|it| Count { at_least: it.value.0, at_most: it.value.1 }),
        steps_taken: steps.iter().enumerate().filter(|(_, it)| waits(it)).map(|(i, it)| (i, it.text.clone())).collect(),
    }
}

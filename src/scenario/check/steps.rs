//! The steps: moments that can come, changes that change something.

use super::short;
use crate::canary::Strategy;
use crate::model::canary::Phase;
use crate::model::fault::FaultTarget;
use crate::scenario::format::{StepAt, StepFile, WhenFile};
use crate::scenario::policy;
use crate::scenario::problem::Problems;
use crate::scenario::release::{Container, Template};
use crate::scenario::scene::{Scene, tracked_config_maps};
use std::collections::BTreeSet;
use std::time::Duration;

pub(super) fn check(scene: &Scene<'_>, problems: &mut Problems) {
    let mut latest = Duration::ZERO;
    for step in &scene.file.steps {
        moment(scene, step, &mut latest, problems);
    }
    if let Some(limit) = &scene.file.time_limit
        && latest >= limit.value
    {
        let message = format!("the run ends after {}, and a step is due at {}", short(limit.value), short(latest));
        problems.error((scene.source, limit.place), message, "write a later `timeLimit`");
    }
    releases(scene, problems);
    faults(scene, problems);
    streams(scene, problems);
}

/// When a step of any kind is due.
pub(in crate::scenario) fn when(step: &StepFile) -> &WhenFile {
    match step {
        StepFile::Release(it) => &it.when,
        StepFile::FaultOn(it) => &it.when,
        StepFile::FaultOff(it) => &it.when,
        StepFile::Traffic(it) => &it.when,
        StepFile::OpenGate(it) | StepFile::CloseGate(it) | StepFile::RollBack(it) | StepFile::Wait(it) => &it.when,
    }
}

fn moment(scene: &Scene<'_>, step: &StepAt, latest: &mut Duration, problems: &mut Problems) {
    let when = when(&step.step);
    let source = scene.source;
    let places: Vec<_> = [
        when.at.as_ref().map(|it| ("at", it.place)),
        when.after.as_ref().map(|it| ("after", it.place)),
        when.on_phase.as_ref().map(|it| ("onPhase", it.place)),
        when.on_weight.as_ref().map(|it| ("onWeight", it.place)),
    ]
    .into_iter()
    .flatten()
    .collect();
    if let [(first, _), (second, place), ..] = places.as_slice() {
        problems.error((source, *place), format!("the step has both `{first}` and `{second}`"), "keep one of them");
    }
    if let Some(within) = &when.within
        && when.on_phase.is_none()
        && when.on_weight.is_none()
    {
        let message = "`within` bounds the wait for a phase or weight, and this step waits for none";
        problems.error((source, within.place), message, "add `onPhase` or `onWeight`, or take `within` out");
    }
    if let (StepFile::Wait(_), true) = (&step.step, places.is_empty()) {
        problems.error(
            (source, step.place),
            "the step waits for nothing",
            "add `after: 30s` or `onPhase: Progressing`",
        );
    }
    if let Some(at) = &when.at {
        if at.value < *latest {
            let message = format!("the step above is due at {}, so this one comes late", short(*latest));
            problems.warn((source, at.place), message, "put the steps in the order of their times");
        }
        *latest = (*latest).max(at.value);
    }
    *latest += when.after.as_ref().map_or(Duration::ZERO, |it| it.value);
    if let Some(phase) = &when.on_phase {
        reachable_phase(scene, phase.value, (source, phase.place), problems);
    }
    if let Some(weight) = &when.on_weight {
        let top = if policy::strategy_of(&scene.canary) == Strategy::Canary {
            policy::weights(&scene.canary.spec.analysis).last().copied().unwrap_or_default()
        } else {
            100
        };
        if weight.value > top && top > 0 {
            let message = format!("the weight never gets above {top}, so this step is never taken");
            problems.error((source, weight.place), message, format!("write {top} or less"));
        }
    }
}

/// Reports a phase that this Canary never has while steps run.
pub(super) fn reachable_phase(
    scene: &Scene<'_>,
    phase: Phase,
    at: (crate::scenario::problem::SourceId, crate::sys::yaml::Place),
    problems: &mut Problems,
) {
    let gates = super::hooks::gate_types(scene);
    let has = |kind: &str| gates.iter().any(|it| it == kind);
    match phase {
        Phase::Initializing => {
            let message = "the steps begin when the Canary is Initialized, so it is never Initializing again";
            problems.error(at, message, "take it out");
        }
        Phase::Waiting if !has("confirm-rollout") => {
            let message = "the Canary is only Waiting at a confirm-rollout gate, and it has none";
            problems.error(at, message, "add a webhook of type confirm-rollout");
        }
        Phase::WaitingPromotion if !has("confirm-promotion") => {
            let message = "the Canary is only WaitingPromotion at a confirm-promotion gate, and it has none";
            problems.error(at, message, "add a webhook of type confirm-promotion");
        }
        Phase::Promoting | Phase::Finalising if scene.canary.spec.skip_analysis => {
            let message =
                format!("with skipAnalysis the Canary goes from Progressing to Succeeded and is never {phase}");
            problems.error(at, message, "take it out");
        }
        Phase::Terminating => {
            problems.error(at, "no step deletes the Canary, so it is never Terminating", "take it out");
        }
        _ => {}
    }
}

fn releases(scene: &Scene<'_>, problems: &mut Problems) {
    let Some(container) = scene.target.and_then(|doc| Container::of(&doc.value)) else { return };
    let mut template = Template::new(container);
    for step in &scene.file.steps {
        let StepFile::Release(release) = &step.step else { continue };
        let at = (scene.source, step.place);
        if let (Some(tag), Some(_)) = (&release.tag, &release.image) {
            problems.error((scene.source, tag.place), "the release has both `tag` and `image`", "keep one of them");
        }
        let before = template.tag().to_owned();
        let patch = template.release(release);
        if !release.complete {
            continue;
        }
        if patch.as_object().is_some_and(serde_json::Map::is_empty) && release.configs.is_empty() {
            let message = match &release.tag {
                Some(tag) => format!("the target runs {} already, so this is no new version", tag.value),
                None => "the release changes nothing".to_owned(),
            };
            problems.error(at, message, "write another `tag`, or `env`, `configs` or `annotations`");
        } else if template.tag() == before && release.configs.is_empty() {
            let message =
                format!("both versions are called {before}, so lines and reports cannot tell their requests apart");
            problems.warn(at, message, "release another `tag` along with it");
        }
        configs(scene, release, problems);
    }
}

fn configs(scene: &Scene<'_>, release: &crate::scenario::format::ReleaseFile, problems: &mut Problems) {
    let tracked = scene.target.map(|doc| tracked_config_maps(&doc.value)).unwrap_or_default();
    for (name, data) in &release.configs {
        let at = (scene.source, data.place);
        if scene.object("ConfigMap", scene.namespace(), name).is_none() {
            let message = format!("the manifests have no ConfigMap `{name}` in namespace {}", scene.namespace());
            problems.error(at, message, "add it, or correct the name");
        } else if !tracked.contains(name) {
            let message = format!("the target does not use ConfigMap {name}, so changing it makes no new version");
            problems.warn(at, message, "mount it, or read it with `envFrom`");
        }
    }
}

fn faults(scene: &Scene<'_>, problems: &mut Problems) {
    let mut on = BTreeSet::new();
    let mut released = false;
    for step in &scene.file.steps {
        match &step.step {
            StepFile::Release(_) => released = true,
            StepFile::FaultOn(fault) => {
                let target = fault.on.as_ref().map_or(FaultTarget::Canary, |it| it.value);
                if target == FaultTarget::Canary && !released {
                    let message =
                        "no release comes before this, so there are no canary pods yet: the fault waits for them";
                    problems.warn(
                        (scene.source, step.place),
                        message,
                        "put it below the release, or write `on: primary`",
                    );
                }
                on.insert(fault.fault.value);
            }
            StepFile::FaultOff(off) => {
                if let Some(fault) = off.fault.as_ref().filter(|it| !on.contains(&it.value)) {
                    let message = format!("{} was not turned on above", fault.name());
                    problems.warn((scene.source, fault.place), message, "put it below the step that turns it on");
                }
            }
            _ => {}
        }
    }
}

fn streams(scene: &Scene<'_>, problems: &mut Problems) {
    let mut names = BTreeSet::new();
    for stream in &scene.file.traffic {
        if !names.insert(stream.name.value.as_str()) {
            let message = format!("there are two streams `{}`", stream.name.value);
            problems.error((scene.source, stream.name.place), message, "give each stream a name of its own");
        }
    }
    for step in &scene.file.steps {
        let StepFile::Traffic(change) = &step.step else { continue };
        for stop in change.stop.iter().filter(|stop| !names.contains(stop.value.as_str())) {
            let message = format!("there is no stream `{}`", stop.value);
            let help = format!("the streams are {}", names.iter().copied().collect::<Vec<_>>().join(", "));
            problems.error((scene.source, stop.place), message, help);
        }
        names.extend(change.streams.iter().map(|it| it.name.value.as_str()));
    }
    let router_known = scene.canary.spec.provider != "nginx" || scene.ingress.is_some();
    if router_known && scene.host().is_empty() {
        let at = (scene.source, scene.file.name.place);
        let streams = scene.file.traffic.iter().filter(|it| it.host.is_none());
        if let Some(stream) = streams.into_iter().next() {
            let message = "no host is known for this stream: neither the Ingress nor the Canary names one";
            problems.warn((at.0, stream.name.place), message, "add `host:` to the scenario");
        }
    }
}

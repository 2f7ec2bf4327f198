//! Expectations that no run can meet.

use super::short;
use crate::canary::Strategy;
use crate::event::Outcome;
use crate::model::canary::{DEFAULT_PROGRESS_DEADLINE, Phase};
use crate::scenario::format::{ExpectFile, StepFile};
use crate::scenario::policy;
use crate::scenario::problem::Problems;
use crate::scenario::scene::Scene;
use std::time::Duration;

pub(super) fn check(scene: &Scene<'_>, problems: &mut Problems) {
    let expect = &scene.file.expect;
    verdict(scene, expect, problems);
    times(scene, expect, problems);
    weight(scene, expect, problems);
    phases(scene, expect, problems);
}

fn releases(scene: &Scene<'_>) -> usize {
    scene.file.steps.iter().filter(|step| matches!(step.step, StepFile::Release(_))).count()
}

fn verdict(scene: &Scene<'_>, expect: &ExpectFile, problems: &mut Problems) {
    let Some(verdict) = &expect.verdict else { return };
    if matches!(verdict.value, Outcome::Promoted | Outcome::RolledBack) && releases(scene) == 0 {
        let message = format!("nothing is released, so nothing can be {}", verdict.value.words());
        problems.error((scene.source, verdict.place), message, "add a release step");
    }
    let contrary = match verdict.value {
        Outcome::Promoted => expect.rolled_back_within.as_ref().map(|it| ("rolledBackWithin", it.place)),
        Outcome::RolledBack => expect.promoted_within.as_ref().map(|it| ("promotedWithin", it.place)),
        Outcome::Undecided | Outcome::Interrupted => None,
    };
    if let Some((name, place)) = contrary
        && releases(scene) < 2
    {
        let message = format!("the verdict is expected to be `{}`, so `{name}` cannot be met", verdict.value.words());
        problems.error((scene.source, place), message, "take it out");
    }
}

fn times(scene: &Scene<'_>, expect: &ExpectFile, problems: &mut Problems) {
    let interval = scene.canary.spec.analysis.effective_interval();
    let intervals = policy::intervals_to_promotion(&scene.canary);
    let at_best = interval * u32::try_from(intervals).unwrap_or(u32::MAX);
    if let Some(within) = expect.promoted_within.as_ref().filter(|it| it.value < at_best) {
        let message = format!(
            "this policy takes {intervals} intervals of {} from detection to promotion: {} at best",
            short(interval),
            short(at_best)
        );
        problems.error((scene.source, within.place), message, format!("write {} or more", short(at_best)));
    }
    let (at_best, why) = soonest_rollback(scene, interval);
    if let Some(within) = expect.rolled_back_within.as_ref().filter(|it| it.value < at_best) {
        let message = format!("the soonest rollback comes {} after detection: {why}", short(at_best));
        problems.error((scene.source, within.place), message, format!("write {} or more", short(at_best)));
    }
}

/// From detection: strikes (one interval to start, one per strike, one to act), a hand, or the progress deadline.
fn soonest_rollback(scene: &Scene<'_>, interval: Duration) -> (Duration, String) {
    let analysis = &scene.canary.spec.analysis;
    let threshold = u32::try_from(analysis.effective_threshold()).unwrap_or(u32::MAX);
    let pre_rollout = analysis.webhooks.iter().any(|it| it.hook_type == "pre-rollout");
    let ticks = threshold.saturating_add(if pre_rollout { 1 } else { 2 });
    let strikes = interval.saturating_mul(ticks);
    let mut ways = vec![(strikes, format!("{threshold} failed checks, one every {}", short(interval)))];
    if analysis.webhooks.iter().any(|it| it.hook_type == "rollback") {
        ways.push((interval, "by the rollback webhook".to_owned()));
    }
    let seconds = scene.canary.spec.progress_deadline_seconds.map(|it| Duration::from_secs(it.max(0) as u64));
    let deadline = seconds.unwrap_or(DEFAULT_PROGRESS_DEADLINE);
    ways.push((deadline, format!("progressDeadlineSeconds is {}", deadline.as_secs())));
    ways.into_iter().min_by_key(|(after, _)| *after).unwrap_or_default()
}

fn weight(scene: &Scene<'_>, expect: &ExpectFile, problems: &mut Problems) {
    let (Some(limit), Some(verdict)) = (&expect.weight_never_above, &expect.verdict) else { return };
    let top = policy::weights(&scene.canary.spec.analysis).last().copied().unwrap_or_default();
    let weighted = policy::strategy_of(&scene.canary) == Strategy::Canary && !scene.canary.spec.skip_analysis;
    if verdict.value == Outcome::Promoted && weighted && limit.value < top {
        let message = format!("a promotion goes through weight {top}");
        problems.error((scene.source, limit.place), message, format!("write {top} or more"));
    }
}

/// Within one release phases only go forward; each step back needs another release.
fn phases(scene: &Scene<'_>, expect: &ExpectFile, problems: &mut Problems) {
    let mut again = releases(scene);
    let mut last: Option<(u8, Phase)> = None;
    for phase in &expect.phases {
        let at = (scene.source, phase.place);
        super::steps::reachable_phase(scene, phase.value, at, problems);
        let place = order(phase.value);
        if let Some((before, name)) = last
            && (place < before || (place == before && phase.value != name))
        {
            again = again.saturating_sub(1);
            if again == 0 {
                let message = format!("{} does not come after {name} without another release", phase.value);
                problems.error(at, message, "put the phases in the order in which they happen");
                return;
            }
        }
        last = Some((place, phase.value));
    }
    if let (Some(verdict), Some(end)) = (&expect.verdict, expect.phases.last()) {
        let contrary = matches!(
            (verdict.value, end.value),
            (Outcome::Promoted, Phase::Failed) | (Outcome::RolledBack, Phase::Succeeded)
        );
        if contrary {
            let message =
                format!("the verdict is expected to be `{}`, and the last phase {}", verdict.value.words(), end.value);
            problems.error((scene.source, end.place), message, "correct one of the two");
        }
    }
}

fn order(phase: Phase) -> u8 {
    match phase {
        Phase::None | Phase::Initializing => 0,
        Phase::Initialized => 1,
        Phase::Waiting => 2,
        Phase::Progressing => 3,
        Phase::WaitingPromotion => 4,
        Phase::Promoting => 5,
        Phase::Finalising => 6,
        Phase::Succeeded | Phase::Failed => 7,
        Phase::Terminating | Phase::Terminated => 8,
    }
}

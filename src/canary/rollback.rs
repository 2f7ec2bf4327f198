//! The end of a run that failed.

use super::ask::{AnalysisStatus, Level, Meter, Severity, Step};
use super::context::{Target, Tick};
use super::hooks;
use super::initialize;
use super::messages;
use super::readiness::NotReady;
use super::routes::{self, Routes};
use super::script::{Run, Stop};
use super::strategy;
use crate::model::canary::Phase;

/// All traffic back to the primary in one step, the target to zero, the status to Failed. Ends the tick after `step`.
pub(super) fn run<'a>(tick: &mut Tick<'a>, target: &Target<'a>, step: Step) -> Run<Step> {
    let canary = tick.canary;
    if canary.status.failed_checks >= canary.spec.analysis.effective_threshold() {
        tick.warn(messages::threshold_reached);
        let failed = canary.status.failed_checks;
        tick.alert(Severity::Error, || format!("Failed checks threshold reached {failed}"));
    }
    tick.step(step, |tick| routes::set(tick, Routes::PRIMARY))?;
    tick.event(Level::Warning, Phase::Failed, messages::failed);
    tick.meter(Meter::Weight { primary: 100, canary: 0 });
    tick.step(step, |tick| initialize::scale(tick, 0))?;
    finish(tick, target, 0)?;
    Ok(step)
}

/// A rollback hook asked for it.
pub(super) fn by_hand<'a>(tick: &mut Tick<'a>, target: &Target<'a>) -> Run<Step> {
    tick.warn(messages::manual_rollback);
    tick.alert(Severity::Warn, || "Rolling back manual webhook invoked".to_owned());
    run(tick, target, Step::RollbackHooks)
}

/// The primary cannot run what it was promoted to: the traffic stays with the canary, which is not scaled down.
pub(super) fn failed_promotion<'a>(tick: &mut Tick<'a>, target: &Target<'a>, why: &NotReady) -> Run<Step> {
    let error = messages::primary_not_ready(tick.canary, &why.reason);
    tick.warn(|it| messages::promotion_failed(it, &error));
    tick.alert(Severity::Error, || format!("Promotion failed, primary not ready: {error}"));
    tick.step(Step::PrimaryReady, |tick| routes::set(tick, Routes::CANARY))?;
    finish(tick, target, 100)?;
    Ok(Step::PrimaryReady)
}

fn finish<'a>(tick: &mut Tick<'a>, target: &Target<'a>, weight: i64) -> Run<()> {
    if !tick.or_log(|tick| tick.sync(Phase::Failed, weight, target))? {
        return Ok(());
    }
    tick.meter_status(Phase::Failed);
    let strategy = strategy::of(tick.canary);
    tick.meter(Meter::Failed { strategy, analysis: AnalysisStatus::Completed });
    hooks::post_rollout(tick, Phase::Failed)
}

/// A primary or canary that is not ready ends the tick; one that can no longer become ready also ends the run.
pub(super) fn unless_ready<'a>(
    tick: &mut Tick<'a>,
    target: &Target<'a>,
    step: Step,
    ready: Result<(), NotReady>,
) -> Run<()> {
    let Err(why) = ready else { return Ok(()) };
    let primary = step != Step::CanaryReady;
    tick.warn(|it| {
        let words = if primary { messages::primary_not_ready } else { messages::canary_not_ready };
        words(it, &why.reason)
    });
    if why.retriable {
        return Err(Stop::End(step));
    }
    if step == Step::PrimaryReady && matches!(tick.phase, Phase::Promoting | Phase::Finalising) {
        return failed_promotion(tick, target, &why).and_then(|step| Err(Stop::End(step)));
    }
    run(tick, target, step).and_then(|step| Err(Stop::End(step)))
}

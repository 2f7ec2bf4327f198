//! The numbered steps of one tick, in Flagger's order: one call per step, and the step that ends the tick returns early.

use super::analysis;
use super::ask::{Answer, Input, LogLevel, Meter, StatusWrite, Step, Sync, Tell, Turn};
use super::context::{Target, Tick};
use super::detect;
use super::hooks;
use super::initialize;
use super::messages;
use super::objects::service::Role;
use super::promote;
use super::rollback;
use super::routes::{self, Routes};
use super::script::{Run, Script, Stop};
use super::start;
use super::strategy;
use crate::model::canary::Phase;
use serde_json::Value;

/// One call of a tick: replays `answers`, then says what is wanted next.
///
/// Call it first with no answers; carry out [`Turn::tell`], then [`Turn::next`], append the answer, and call it again
/// with the same `input`, until it is done.
#[must_use]
pub fn tick(input: &Input<'_>, answers: &[Answer]) -> Turn {
    let mut script = Script::new(answers);
    // Step 1. Whatever keeps the Canary from being read, Flagger says that it was not found.
    match script.canary() {
        Err(stop) => script.turn(Err(stop)),
        Ok(Ok(Some(canary))) => {
            let mut tick = Tick::new(input, canary, script);
            let run = steps(&mut tick);
            tick.script.turn(run)
        }
        Ok(_) => {
            let message = || format!("Canary {}.{} not found", input.name, input.namespace);
            script.tell(|| Tell::Log { level: LogLevel::Error, message: message(), named: true });
            script.turn(Ok(Step::Read))
        }
    }
}

fn steps(tick: &mut Tick<'_>) -> Run<Step> {
    if tick.canary.spec.suspend {
        tick.normal(messages::suspended);
        return Ok(Step::Suspended);
    }
    let target = tick.step(Step::TargetMetadata, initialize::target)?;
    let primary = make(tick, &target)?;
    if !tick.step(Step::ShouldAdvance, |tick| should_advance(tick, &target))? {
        tick.meter_status(tick.phase);
        return Ok(Step::ShouldAdvance);
    }
    let skip = tick.skips_analysis();
    if !skip {
        let ready = initialize::primary_readiness(tick, primary);
        rollback::unless_ready(tick, &target, Step::PrimaryReady, ready)?;
    }
    let live = tick.step(Step::Routes, routes::read)?;
    tick.meter(Meter::Weight { primary: live.primary, canary: live.canary });
    tick.meter_status(tick.phase);
    if !is_running(tick.phase) {
        return start::run(tick, &target, primary);
    }
    if revision_changed(tick, &target)? {
        return restart(tick, &target);
    }
    let ready = initialize::canary_readiness(tick, &target);
    rollback::unless_ready(tick, &target, Step::CanaryReady, ready)?;
    if skip {
        tick.step(Step::SkipAnalysis, promote::skip_analysis)?;
        return Ok(Step::SkipAnalysis);
    }
    run(tick, &target, live)
}

/// Steps 5 to 13: everything that must be there before a release is thought of. Returns the primary Deployment.
fn make<'a>(tick: &mut Tick<'a>, target: &Target<'a>) -> Run<&'a Value> {
    let (initialising, skip) = (tick.initialising(), tick.skips_analysis());
    tick.step(Step::Services, |tick| initialize::service(tick, target, Role::Canary))?;
    tick.step(Step::Services, |tick| initialize::service(tick, target, Role::Primary))?;
    if initialising && !skip {
        initialize::metric_servers(tick)?;
    }
    let primary = tick.step(Step::PrimaryWorkload, |tick| initialize::primary(tick, target))?;
    if initialising && !skip {
        let ready = initialize::primary_readiness(tick, primary);
        rollback::unless_ready(tick, target, Step::PrimaryWorkload, ready)?;
    }
    tick.step(Step::Autoscaler, |tick| initialize::autoscaler(tick, true))?;
    tick.step(Step::ApexService, |tick| initialize::service(tick, target, Role::Apex))?;
    if initialising {
        tick.step(Step::ScaleDown, initialize::scale_down)?;
    }
    tick.step(Step::Router, routes::reconcile)?;
    if initialising {
        tick.step(Step::Initialized, |tick| initialize::finish(tick, target))?;
    }
    Ok(primary)
}

/// Step 14. A run goes on; anything else waits for a change.
fn should_advance<'a>(tick: &mut Tick<'a>, target: &Target<'a>) -> Run<bool> {
    if is_running(tick.phase) || tick.phase == Phase::Waiting {
        return Ok(true);
    }
    if tick.canary.status.phase != tick.phase {
        // Initialized in this very tick: what was just recorded cannot have changed.
        return Ok(false);
    }
    if tick.phase == Phase::Failed {
        keep_failed(tick, target)?;
    }
    Ok(detect::template_changed(tick.canary, target) || detect::configs_changed(tick, target)?)
}

/// A failed Canary's status follows its target, though the comparison of this tick is still with what was read.
fn keep_failed<'a>(tick: &mut Tick<'a>, target: &Target<'a>) -> Run<()> {
    let status = &tick.canary.status;
    let configs = tick.configs(target)?;
    tick.set_status(|| {
        StatusWrite::Sync(Sync {
            phase: Phase::Failed,
            weight: status.canary_weight,
            failed_checks: status.failed_checks,
            iterations: status.iterations,
            last_applied: target.hash(),
            tracked_configs: Some(detect::checksums(&configs)),
        })
    })
}

/// Whether a run is under way and not waiting to begin.
fn is_running(phase: Phase) -> bool {
    matches!(phase, Phase::Progressing | Phase::WaitingPromotion | Phase::Promoting | Phase::Finalising)
}

/// Whether a run is still judged; afterwards it is only carried out.
fn is_judged(phase: Phase) -> bool {
    matches!(phase, Phase::Progressing | Phase::WaitingPromotion)
}

/// Step 18. A failure to look is no change.
fn revision_changed<'a>(tick: &mut Tick<'a>, target: &Target<'a>) -> Run<bool> {
    if !is_judged(tick.phase) {
        return Ok(false);
    }
    if detect::template_changed(tick.canary, target) {
        return Ok(true);
    }
    match detect::configs_changed(tick, target) {
        Err(Stop::Failed(_)) => Ok(false),
        other => other,
    }
}

/// All traffic back, counters to zero; the next tick begins anew.
fn restart<'a>(tick: &mut Tick<'a>, target: &Target<'a>) -> Run<Step> {
    tick.normal(messages::restarting);
    tick.step(Step::Restart, |tick| routes::set(tick, Routes::PRIMARY))?;
    tick.step(Step::Restart, |tick| tick.sync(Phase::Progressing, 0, target))?;
    Ok(Step::Restart)
}

/// Steps 21 to 28: what a run does with a primary and a canary that are ready.
fn run<'a>(tick: &mut Tick<'a>, target: &Target<'a>, live: Routes) -> Run<Step> {
    if is_judged(tick.phase) && hooks::rollback(tick)? {
        return rollback::by_hand(tick, target);
    }
    if tick.phase == Phase::Promoting {
        tick.step(Step::Promoting, |tick| promote::shift(tick, live))?;
        return Ok(Step::Promoting);
    }
    if tick.phase == Phase::Finalising {
        tick.step(Step::Finalising, promote::finish)?;
        return Ok(Step::Finalising);
    }
    let analysis = &tick.canary.spec.analysis;
    if tick.canary.status.failed_checks >= analysis.effective_threshold() {
        return rollback::run(tick, target, Step::Threshold);
    }
    tick.meter(Meter::ObserveDuration);
    let starts = live.canary == 0 && tick.canary.status.iterations == 0 && !(analysis.mirror && live.mirrored);
    let passed = if starts {
        tick.normal(messages::starting);
        hooks::pre_rollout(tick)?
    } else {
        tick.step(Step::Analysis, analysis::run)?
    };
    if passed { strategy::run(tick, live) } else { strike(tick) }
}

/// One failed check more.
fn strike(tick: &mut Tick<'_>) -> Run<Step> {
    let checks = tick.canary.status.failed_checks + 1;
    tick.step(Step::Analysis, |tick| tick.set_status(|| StatusWrite::SetFailedChecks(checks)))?;
    Ok(Step::Analysis)
}

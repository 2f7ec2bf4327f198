//! Promotion: the primary takes the target's template, then the traffic, then the run ends.

use super::ask::{AnalysisStatus, ApiReason, Ask, Level, Meter, Severity, StatusWrite, Step, Write};
use super::context::Tick;
use super::detect;
use super::hooks;
use super::initialize::{self, DEPLOYMENT};
use super::messages;
use super::objects::workload;
use super::routes::{self, Routes};
use super::script::{Context, Run, Stop};
use super::strategy;
use crate::model::canary::Phase;
use std::time::Duration;

/// How often a conflicting write of the primary is tried.
const ATTEMPTS: usize = 5;
/// Between two of them.
const BACK_OFF: Duration = Duration::from_millis(10);

/// Announces the copy, makes it, and goes to Promoting.
pub(super) fn begin(tick: &mut Tick<'_>) -> Run<Step> {
    tick.normal(messages::copying);
    tick.step(Step::Strategy, copy)?;
    tick.step(Step::Strategy, |tick| tick.set_phase(Phase::Promoting))?;
    Ok(Step::Strategy)
}

/// Copies template and configs of the target, as they are now, to the primary. A new `flagger-id` makes it roll even
/// where nothing else differs.
pub(super) fn copy(tick: &mut Tick<'_>) -> Run<()> {
    let (canary, settings) = (tick.canary, tick.settings);
    let name = format!("{}-primary", canary.spec.target_ref.name);
    let target = initialize::target(tick)?;
    let configs = detect::tracked(tick, &target)?;
    initialize::copy_configs(tick, &configs)?;
    let flagger_id = tick.script.text(|| Ask::FlaggerId)?;
    let namespace = canary.namespace();
    for attempt in 1.. {
        let primary = tick
            .get(DEPLOYMENT.0, DEPLOYMENT.1, &name)
            .context(|error| format!("deployment {name}.{namespace} get query error: {error}"))?;
        let source = workload::Source { canary, settings, target, configs: &configs, flagger_id };
        match tick.script.write(|| Write::Replace(workload::promote(primary, &source)))? {
            Ok(()) => break,
            Err(error) if error.reason == ApiReason::Conflict && attempt < ATTEMPTS => {
                let _waited = tick.call(|| Ask::Wait(BACK_OFF))?;
            }
            Err(error) => {
                let words = format!("updating deployment {name}.{namespace} template spec failed: {error}");
                return Err(Stop::Failed(words));
            }
        }
    }
    Ok(())
}

/// Step 22: shifts the traffic to the promoted primary. Nothing is analysed here.
pub(super) fn shift(tick: &mut Tick<'_>, live: Routes) -> Run<()> {
    initialize::autoscaler(tick, false)?;
    let step = tick.canary.spec.analysis.step_weight_promotion;
    if tick.provider == "kubernetes" {
        return tick.set_phase(Phase::Finalising);
    }
    if step == 0 {
        tick.normal(messages::all_to_primary);
        routes::set(tick, Routes::PRIMARY)?;
        tick.meter(Meter::Weight { primary: 100, canary: 0 });
        return tick.set_phase(Phase::Finalising);
    }
    // With a live weight of zero already (the route was made anew) this does nothing, for ever.
    if live.canary == 0 {
        return Ok(());
    }
    let primary = (live.primary + step).min(100);
    let canary = (live.canary - step).max(0);
    routes::set(tick, Routes { primary, canary, mirrored: false })?;
    tick.meter(Meter::Weight { primary, canary });
    tick.normal(|it| messages::advance_primary(it, primary));
    if primary == 100 { tick.set_phase(Phase::Finalising) } else { tick.set_status(|| StatusWrite::SetWeight(canary)) }
}

/// Step 23: the target goes to zero and the run has succeeded.
pub(super) fn finish(tick: &mut Tick<'_>) -> Run<()> {
    initialize::scale(tick, 0)?;
    tick.set_phase(Phase::Succeeded)?;
    succeeded(tick, AnalysisStatus::Completed)?;
    tick.event(Level::Normal, Phase::Succeeded, messages::promoted);
    let message = "Canary analysis completed successfully, promotion finished.";
    tick.alert(Severity::Info, || message.to_owned());
    Ok(())
}

/// What every success does after its status is written.
pub(super) fn succeeded(tick: &mut Tick<'_>, analysis: AnalysisStatus) -> Run<()> {
    tick.meter_status(Phase::Succeeded);
    let strategy = strategy::of(tick.canary);
    tick.meter(Meter::Succeeded { strategy, analysis });
    hooks::post_rollout(tick, Phase::Succeeded)
}

/// Step 20: promotes without analysis and without waiting for the primary.
pub(super) fn skip_analysis(tick: &mut Tick<'_>) -> Run<()> {
    routes::set(tick, Routes::PRIMARY)?;
    tick.meter(Meter::Weight { primary: 100, canary: 0 });
    tick.normal(messages::copying);
    copy(tick)?;
    initialize::autoscaler(tick, false)?;
    initialize::scale(tick, 0)?;
    tick.set_phase(Phase::Succeeded)?;
    succeeded(tick, AnalysisStatus::Skipped)?;
    tick.event(Level::Normal, Phase::Succeeded, messages::promoted_without_analysis);
    tick.alert(Severity::Info, || "Canary analysis was skipped, promotion finished.".to_owned());
    Ok(())
}

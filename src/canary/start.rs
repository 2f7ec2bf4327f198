//! The start of a run: gates, then the target is scaled up. No readiness is asked and no traffic moves in this tick.

use super::ask::{Level, Step};
use super::context::{Target, Tick};
use super::hooks;
use super::initialize;
use super::messages;
use super::objects::autoscaler;
use super::script::{Run, Stop};
use crate::model::canary::Phase;
use serde_json::Value;

/// Step 17 for a new revision, or while waiting for approval.
pub(super) fn run<'a>(tick: &mut Tick<'a>, target: &Target<'a>, primary: &Value) -> Run<Step> {
    if !hooks::confirm_rollout(tick)? {
        return Ok(Step::Start);
    }
    tick.event(Level::Normal, Phase::Progressing, messages::new_revision);
    tick.alert_with_metadata(|| "New revision detected, progressing canary analysis.".to_owned());
    match scale_up(tick, target, primary) {
        Err(Stop::Failed(words)) => {
            tick.error(|_| words);
            return Ok(Step::Start);
        }
        other => other?,
    }
    if tick.or_log(|tick| tick.sync(Phase::Progressing, 0, target))? {
        tick.meter_status(Phase::Progressing);
    }
    Ok(Step::Start)
}

/// Keeps the target's replicas where it has any; else takes the primary's, or the least that its autoscaler allows.
fn scale_up<'a>(tick: &mut Tick<'a>, target: &Target<'a>, primary: &Value) -> Run<()> {
    let replicas = |deployment: &Value| deployment["spec"]["replicas"].as_i64().unwrap_or(1);
    if replicas(target.deployment) > 0 {
        return Ok(());
    }
    let wanted = match &tick.canary.spec.autoscaler_ref {
        None => replicas(primary),
        Some(reference) if reference.kind == autoscaler::KIND => {
            initialize::target_autoscaler(tick, reference)?["spec"]["minReplicas"].as_i64().unwrap_or(1)
        }
        Some(_) => 1,
    };
    initialize::scale(tick, wanted.max(1))
}

//! How faults reach the app of this lab, found out before the run begins.

use super::super::ground::Ground;
use super::super::patience::insist;
use super::{APP_PORT, PodSelectors, template};
use crate::cluster::ClusterError;
use crate::event::StepState;
use crate::model::fault::{FaultKind, FaultSpec};
use crate::scenario::Plan;
use crate::scenario::plan::Act;
use bytes::Bytes;
use serde_json::Value;
use std::collections::BTreeSet;

/// The header that only coalmine's own demo app sends; see `traffic::demo`.
use crate::traffic::demo::VERSION_HEADER;

/// What the app's fault switch can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Switch {
    /// coalmine's demo app: every kind, at any rate.
    Full,
    /// podinfo since 6.13.0: 500 for every request.
    AllOr500,
    /// None: podinfo before that, or another app.
    Missing,
}

/// A fault of the plan that cannot be made on this lab.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    #[error(
        "step {step} ({text}) cannot be done on this lab: {why}. Give the app a fault switch (podinfo 6.13 and later answers \
         500 to every request; coalmine's demo app does every fault), or change the step; docs/SCENARIOS.md has a table"
    )]
    CannotDo { step: usize, text: String, why: String },
    #[error("no pod of the app could be asked for its fault switch: {0}")]
    Cluster(#[from] ClusterError),
    #[error("no running pod of {namespace}/{target} could be asked for its fault switch")]
    NoPod { namespace: String, target: String },
}

/// A plan whose faults can all be made.
pub(crate) struct Prepared {
    pub plan: Plan,
    /// Kinds that come with a release.
    pub in_template: BTreeSet<FaultKind>,
}

/// Asks the app what it can, and gives those faults that it cannot switch to the release that they begin with. None where
/// the plan has no fault to switch.
pub(crate) async fn prepare(ground: &Ground, selectors: &PodSelectors) -> Result<Option<Prepared>, FaultError> {
    if !ground.plan.steps.iter().any(|it| matches!(it.act, Act::FaultOn { .. })) {
        return Ok(None);
    }
    let name = "find out how faults reach the app";
    let switch = ask(ground, selectors).await?;
    match fit(&ground.plan, switch) {
        Ok((prepared, notes)) => {
            if switch != Switch::Full {
                ground.step(name, StepState::Done, words(switch));
            }
            notes.into_iter().for_each(|it| ground.note(it));
            Ok(Some(prepared))
        }
        Err(error) => {
            ground.step(name, StepState::Failed, words(switch));
            Err(error)
        }
    }
}

fn words(switch: Switch) -> &'static str {
    match switch {
        Switch::Full => "its switch does every fault",
        Switch::AllOr500 => "its switch answers 500 to every request",
        Switch::Missing => "it has no /fault_injection",
    }
}

/// Asks one running pod, the primary's if it can be: that one has users.
async fn ask(ground: &Ground, selectors: &PodSelectors) -> Result<Switch, FaultError> {
    let (plan, clock) = (&ground.plan, ground.clock);
    let pods = insist(clock, || ground.cluster.list("v1", "Pod", Some(&plan.namespace), None)).await?;
    let running = |it: &&Value| it["status"]["containerStatuses"][0]["state"]["running"].is_object();
    let ours = pods.iter().filter(running).filter_map(|it| Some((selectors.target_of(it)?, it)));
    let (_, pod) = ours
        .max_by_key(|(target, _)| *target)
        .ok_or_else(|| FaultError::NoPod { namespace: plan.namespace.clone(), target: plan.target.name.clone() })?;
    let pod = pod["metadata"]["name"].as_str().unwrap_or_default();
    let answer = insist(clock, || {
        let request = http::Request::get("/fault_injection/status").body(Bytes::new());
        let request = request.expect("a fixed path makes a request");
        ground.cluster.pod_request(&plan.namespace, pod, APP_PORT, request)
    });
    match answer.await {
        Ok(answer) if answer.headers().contains_key(VERSION_HEADER) => Ok(Switch::Full),
        Ok(answer) if answer.status().is_success() => Ok(Switch::AllOr500),
        Ok(_) | Err(ClusterError::NotFound(_)) => Ok(Switch::Missing),
        Err(error) => Err(error.into()),
    }
}

/// The plan as this app can play it, and what people should know about it.
fn fit(plan: &Plan, switch: Switch) -> Result<(Prepared, Vec<String>), FaultError> {
    let mut prepared = Prepared { plan: plan.clone(), in_template: BTreeSet::new() };
    let mut notes = Vec::new();
    for (index, step) in plan.steps.iter().enumerate() {
        let Act::FaultOn { spec, .. } = &step.act else { continue };
        if can(switch, spec) {
            continue;
        }
        match template::into_release(&mut prepared.plan, index) {
            Ok(note) => {
                prepared.in_template.insert(spec.fault);
                notes.push(format!("step {} ({}): {note}", index + 1, step.text));
            }
            Err(why) => {
                let why = format!("{}, and {why}", words(switch));
                return Err(FaultError::CannotDo { step: index + 1, text: step.text.clone(), why });
            }
        }
    }
    Ok((prepared, notes))
}

fn can(switch: Switch, spec: &FaultSpec) -> bool {
    match switch {
        Switch::Full => true,
        Switch::AllOr500 => spec.fault == FaultKind::Http500 && spec.rate >= 1.0,
        Switch::Missing => false,
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

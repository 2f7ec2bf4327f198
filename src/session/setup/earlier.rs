//! What an earlier run left on the lab: a rollout that is still going is waited for, then its objects go, so that every
//! run begins with the same state.

use super::super::ground::Ground;
use super::super::patience::insist;
use super::{FIELD_MANAGER, flux};
use crate::cluster::ClusterError;
use crate::event::StepState;
use crate::model::canary::Phase;
use crate::model::duration::go;
use crate::model::object::ObjectRef;
use serde_json::Value;
use std::time::Duration;

/// How long a rollout that is going on may take to be decided.
const DECIDED_WITHIN: Duration = Duration::from_mins(10);
/// How long objects may take to go: pods have time to end.
const GONE_WITHIN: Duration = Duration::from_mins(3);
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What scenarios are made of, apart from what may stay: namespaces, accounts, and what belongs to the cluster.
const KINDS: [(&str, &str); 10] = [
    ("flagger.app/v1beta1", "Canary"),
    ("apps/v1", "Deployment"),
    ("batch/v1", "Job"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("networking.k8s.io/v1", "Ingress"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    ("gateway.networking.k8s.io/v1", "Gateway"),
    ("flagger.app/v1beta1", "MetricTemplate"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
];

/// Why a lab cannot be made free for a run.
#[derive(Debug, thiserror::Error)]
pub enum EarlierError {
    #[error(
        "{object} is there already and coalmine did not make it; it is left alone. Play in another namespace, or delete \
         it: kubectl delete {} {} -n {}", object.kind.to_lowercase(), object.name, object.namespace
    )]
    NotOurs { object: ObjectRef },
    #[error(
        "an earlier release of {canary} waits at a gate (phase {phase}). Open the gate, or delete the Canary: kubectl \
         delete canary {} -n {}", canary.name, canary.namespace
    )]
    AtGate { canary: ObjectRef, phase: Phase },
    #[error(
        "an earlier release of {canary} was still not decided after {} (phase {phase}). Wait for it, or delete the \
         Canary: kubectl delete canary {} -n {}", go(DECIDED_WITHIN), canary.name, canary.namespace
    )]
    NotDecided { canary: ObjectRef, phase: Phase },
    #[error("{object} of an earlier run did not go within {}: look at its finalizers and pods", go(GONE_WITHIN))]
    NotGone { object: ObjectRef },
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

/// Waits for an earlier rollout, then removes what earlier runs left. Says whether there was anything.
pub(crate) async fn clear(ground: &Ground) -> Result<bool, EarlierError> {
    check_ownership(ground).await?;
    wait_until_decided(ground).await?;
    let left = leftovers(ground).await?;
    if left.is_empty() {
        return Ok(false);
    }
    let name = "remove what an earlier run left";
    ground.step(name, StepState::Started, &list(&left));
    for object in &left {
        let deleted = insist(ground.clock, || ground.cluster.delete_with_dependents(object)).await;
        deleted.or_else(|error| if error.is_not_found() { Ok(()) } else { Err(error) })?;
    }
    for object in &left {
        if let Err(error) = wait_until_gone(ground, object).await {
            ground.step(name, StepState::Failed, &object.to_string());
            return Err(error);
        }
    }
    ground.step(name, StepState::Done, "");
    Ok(true)
}

fn list(objects: &[ObjectRef]) -> String {
    let names: Vec<String> = objects.iter().map(|it| format!("{} {}", it.kind, it.name)).collect();
    names.join(", ")
}

/// A Canary or target that somebody else made is not ours to play with. One that Flux made is: [`flux::suspend`] has
/// looked whose Flux it is.
async fn check_ownership(ground: &Ground) -> Result<(), EarlierError> {
    for object in [&ground.plan.canary, &ground.plan.target] {
        let found = insist(ground.clock, || ground.cluster.get(object)).await?;
        let is_labs = |it: &Value| is_the_labs(it) || flux::kustomization_of(it).is_some();
        if found.is_some_and(|it| !is_ours(&it) && !is_labs(&it)) {
            return Err(EarlierError::NotOurs { object: object.clone() });
        }
    }
    Ok(())
}

/// Whether coalmine applied the object.
fn is_ours(object: &Value) -> bool {
    let managers = object["metadata"]["managedFields"].as_array();
    managers.is_some_and(|all| all.iter().any(|it| it["manager"] == FIELD_MANAGER && it["operation"] == "Apply"))
}

/// Whether it is the demo app that came with the lab (`manifests/podinfo/kustomization.yaml`), which scenarios play with.
fn is_the_labs(object: &Value) -> bool {
    object["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "coalmine"
}

async fn wait_until_decided(ground: &Ground) -> Result<(), EarlierError> {
    let (clock, canary) = (ground.clock, &ground.plan.canary);
    let until = clock.elapsed() + DECIDED_WITHIN;
    let name = "wait for the release that is going on";
    let mut told = false;
    loop {
        let found = insist(clock, || ground.cluster.get(canary)).await?;
        let phase = found.map_or(Phase::None, |it| phase_of(&it));
        match phase {
            Phase::Waiting | Phase::WaitingPromotion => {
                return Err(EarlierError::AtGate { canary: canary.clone(), phase });
            }
            Phase::Progressing | Phase::Promoting | Phase::Finalising => {}
            _ => {
                if told {
                    ground.step(name, StepState::Done, phase.name());
                }
                return Ok(());
            }
        }
        if !told {
            told = true;
            ground.step(name, StepState::Started, &format!("phase {phase}; at most {}", go(DECIDED_WITHIN)));
        }
        if clock.elapsed() >= until {
            ground.step(name, StepState::Failed, phase.name());
            return Err(EarlierError::NotDecided { canary: canary.clone(), phase });
        }
        clock.sleep_until(clock.elapsed() + LOOK_EVERY).await;
    }
}

fn phase_of(canary: &Value) -> Phase {
    serde_json::from_value(canary["status"]["phase"].clone()).unwrap_or_default()
}

/// Objects that coalmine applied and that must not be there when the plan's are: the Canary and its target, whose state
/// is the last run's, and what other scenarios brought along. The Canary is the first, so that Flagger lets go.
async fn leftovers(ground: &Ground) -> Result<Vec<ObjectRef>, EarlierError> {
    let plan = &ground.plan;
    let planned: Vec<ObjectRef> = plan.objects.iter().map(ObjectRef::of).collect();
    let mut left = Vec::new();
    for (api_version, kind) in KINDS {
        let listed = insist(ground.clock, || ground.cluster.list(api_version, kind, Some(&plan.namespace), None)).await;
        let listed = match listed {
            // A cluster without the Gateway API has none of its objects.
            Err(ClusterError::NotFound(_) | ClusterError::UnknownKind { .. }) => continue,
            other => other?,
        };
        left.extend(listed.iter().filter_map(|it| {
            let object = ObjectRef::of(it);
            // Whose they are, `check_ownership` has looked at.
            let has_state = object == plan.canary || object == plan.target;
            (has_state || (is_ours(it) && !planned.contains(&object))).then_some(object)
        }));
    }
    Ok(left)
}

async fn wait_until_gone(ground: &Ground, object: &ObjectRef) -> Result<(), EarlierError> {
    let clock = ground.clock;
    let until = clock.elapsed() + GONE_WITHIN;
    while insist(clock, || ground.cluster.get(object)).await?.is_some() {
        if clock.elapsed() >= until {
            return Err(EarlierError::NotGone { object: object.clone() });
        }
        clock.sleep_until(clock.elapsed() + LOOK_EVERY).await;
    }
    Ok(())
}

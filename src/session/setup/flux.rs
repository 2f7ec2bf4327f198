//! Labs whose app Flux keeps as a repository says: it would bring back what a run changes. So the Kustomization that the
//! Canary belongs to is suspended for the time of the run, if coalmine made it.

use super::super::ground::Ground;
use super::super::patience::insist;
use crate::cluster::ClusterError;
use crate::event::StepState;
use crate::model::object::ObjectRef;
use serde_json::{Value, json};

const API_VERSION: &str = "kustomize.toolkit.fluxcd.io/v1";
/// Labels that Flux puts on what it applies.
const NAME: &str = "kustomize.toolkit.fluxcd.io/name";
const NAMESPACE: &str = "kustomize.toolkit.fluxcd.io/namespace";
/// Labels of what coalmine installed.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const COALMINE: &str = "coalmine";

#[derive(Debug, thiserror::Error)]
pub enum FluxError {
    #[error(
        "{object} belongs to Flux's {kustomization}, which coalmine did not make and which would undo the run. Suspend it \
         and delete the object, or play in another namespace"
    )]
    NotOurs { object: ObjectRef, kustomization: ObjectRef },
    #[error("{kustomization} could not be suspended: {source}")]
    Suspend { kustomization: ObjectRef, source: ClusterError },
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

/// The Kustomization that an object belongs to.
pub(super) fn kustomization_of(object: &Value) -> Option<ObjectRef> {
    let label = |name: &str| object["metadata"]["labels"][name].as_str();
    Some(ObjectRef::new(API_VERSION, "Kustomization", label(NAMESPACE)?, label(NAME)?))
}

/// Suspends what would undo the run; gives the Kustomizations to resume after it.
pub(super) async fn suspend(ground: &Ground) -> Result<Vec<ObjectRef>, FluxError> {
    let mut suspended = Vec::new();
    for object in [&ground.plan.canary, &ground.plan.target] {
        let found = insist(ground.clock, || ground.cluster.get(object)).await?;
        let Some(kustomization) = found.as_ref().and_then(kustomization_of) else { continue };
        if suspended.contains(&kustomization) {
            continue;
        }
        let Some(there) = insist(ground.clock, || ground.cluster.get(&kustomization)).await? else { continue };
        if there["metadata"]["labels"][MANAGED_BY] != COALMINE {
            return Err(FluxError::NotOurs { object: object.clone(), kustomization });
        }
        let patch = json!({"spec": {"suspend": true}});
        insist(ground.clock, || ground.cluster.merge_patch(&kustomization, None, &patch))
            .await
            .map_err(|source| FluxError::Suspend { kustomization: kustomization.clone(), source })?;
        ground.step("suspend Flux for the run", StepState::Done, &kustomization.to_string());
        suspended.push(kustomization);
    }
    Ok(suspended)
}

/// Lets Flux go on: it brings back what its source says.
pub(super) async fn resume(ground: &Ground, suspended: &[ObjectRef]) {
    for kustomization in suspended {
        let patch = json!({"spec": {"suspend": null}});
        if let Err(error) = insist(ground.clock, || ground.cluster.merge_patch(kustomization, None, &patch)).await {
            ground.note(format!("{kustomization} is still suspended: {error}; `flux resume kustomization` ends it"));
        }
    }
}

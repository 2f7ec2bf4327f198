//! Brings the scenario's objects into the lab and waits until its Canary can take releases.
//!
//! A lab may have run before. Then the order is: a claim that keeps other runs away ([`claim`]), Flux lets go where it keeps
//! the app ([`flux`]), an earlier rollout is
//! waited for and what it left is removed ([`earlier`]), the objects are applied, the Canary becomes Initialized.

mod claim;
mod earlier;
mod flux;

pub use claim::ClaimError;
pub use earlier::EarlierError;
pub use flux::FluxError;

use super::ground::Ground;
use super::load_tester;
use super::observe::Seen;
use super::patience::insist;
use crate::cluster::ClusterError;
use crate::event::StepState;
use crate::model::canary::Phase;
use crate::model::object::ObjectRef;
use serde_json::json;
use std::time::Duration;
use tokio::sync::watch;

/// Who the scenario's objects are applied as (server-side apply).
pub(crate) const FIELD_MANAGER: &str = "coalmine";
/// How long a Canary may take to become Initialized: image pulls on a slow network are in it.
pub(crate) const INITIALIZE_WITHIN: Duration = Duration::from_mins(10);
/// How long a namespace that is being deleted may take to go.
const NAMESPACE_WITHIN: Duration = Duration::from_mins(3);
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("the lab did not take {object}: {source}")]
    Apply { object: ObjectRef, source: ClusterError },
    #[error(
        "the lab has no Flagger: it did not take {object}: {source}. Install Flagger's CRDs, or play on another lab"
    )]
    NoFlagger { object: ObjectRef, source: ClusterError },
    #[error(transparent)]
    Claim(#[from] ClaimError),
    #[error(transparent)]
    Flux(#[from] FluxError),
    #[error(transparent)]
    Earlier(#[from] EarlierError),
    #[error("the gates of an earlier run could not be closed: {0}")]
    Gates(#[from] load_tester::CallError),
    #[error(
        "the Canary {canary} did not become Initialized within {}; its phase is `{phase}`. The primary's pods have to \
        become ready: look at the pods and events above",
        crate::model::duration::go(INITIALIZE_WITHIN)
    )]
    NotInitialized { canary: String, phase: Phase },
}

/// What a run holds of a lab for its time.
pub(crate) struct Hold {
    claim: claim::Claim,
    /// Kustomizations to resume.
    suspended: Vec<ObjectRef>,
}

/// Makes the namespace, keeps other runs out of it, and keeps Flux from undoing what this run does.
pub(crate) async fn hold(ground: &Ground) -> Result<Hold, SetupError> {
    make_namespace(ground).await?;
    let claim = claim::take(ground).await?;
    match flux::suspend(ground).await {
        Ok(suspended) => Ok(Hold { claim, suspended }),
        Err(error) => {
            claim.release().await;
            Err(error.into())
        }
    }
}

impl Hold {
    /// Gives the lab back.
    pub(crate) async fn release(self, ground: &Ground) {
        flux::resume(ground, &self.suspended).await;
        self.claim.release().await;
    }
}

/// Removes what earlier runs left. Says whether there was anything.
pub(crate) async fn clear(ground: &Ground) -> Result<bool, SetupError> {
    Ok(earlier::clear(ground).await?)
}

/// The claim lives in the namespace, so it has to be there before all else. One that is being deleted is waited for.
async fn make_namespace(ground: &Ground) -> Result<(), SetupError> {
    let (clock, name) = (ground.clock, &ground.plan.namespace);
    let object = ObjectRef::new("v1", "Namespace", "", name);
    let refused = |source| SetupError::Apply { object: object.clone(), source };
    let until = clock.elapsed() + NAMESPACE_WITHIN;
    loop {
        match insist(clock, || ground.cluster.get(&object)).await.map_err(refused)? {
            Some(found) if found["status"]["phase"] == "Terminating" && clock.elapsed() < until => {
                clock.sleep_until(clock.elapsed() + LOOK_EVERY).await;
            }
            Some(_) => return Ok(()),
            None => {
                let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
                let applied = insist(clock, || ground.cluster.apply(&namespace, FIELD_MANAGER, true)).await;
                return applied.map(drop).map_err(refused);
            }
        }
    }
}

/// Applies every object of the plan, in its order.
pub(crate) async fn apply(ground: &Ground) -> Result<(), SetupError> {
    let (plan, name) = (&ground.plan, "apply the scenario's objects");
    ground.step(name, StepState::Started, &format!("{} objects in {}", plan.objects.len(), plan.namespace));
    for object in &plan.objects {
        let applied = insist(ground.clock, || ground.cluster.apply(object, FIELD_MANAGER, true)).await;
        if let Err(source) = applied {
            let object = ObjectRef::of(object);
            ground.step(name, StepState::Failed, &object.to_string());
            let is_flaggers = object.api_version.starts_with("flagger.app/");
            let unknown = matches!(source, ClusterError::NotFound(_) | ClusterError::UnknownKind { .. });
            return Err(if is_flaggers && unknown {
                SetupError::NoFlagger { object, source }
            } else {
                SetupError::Apply { object, source }
            });
        }
    }
    ground.step(name, StepState::Done, "");
    Ok(())
}

/// Waits for phase Initialized.
pub(crate) async fn wait_until_initialized(
    ground: &Ground,
    seen: &mut watch::Receiver<Seen>,
) -> Result<(), SetupError> {
    let (clock, name) = (ground.clock, "wait for the Canary");
    ground.step(name, StepState::Started, "until its phase is Initialized");
    let ready = |it: &Seen| matches!(it.phase, Phase::Initialized | Phase::Succeeded | Phase::Failed);
    let until = clock.elapsed() + INITIALIZE_WITHIN;
    let in_time = tokio::select! {
        biased;
        it = seen.wait_for(ready) => it.is_ok(),
        () = clock.sleep_until(until) => false,
    };
    if in_time {
        ground.step(name, StepState::Done, "");
        return Ok(());
    }
    let phase = seen.borrow().phase;
    ground.step(name, StepState::Failed, phase.name());
    Err(SetupError::NotInitialized { canary: ground.plan.canary.name.clone(), phase })
}

/// The load tester remembers its gates from run to run: all are closed, as on a new lab.
pub(crate) async fn close_gates(ground: &Ground) -> Result<(), SetupError> {
    if ground.plan.load_tester.is_some() {
        for path in [load_tester::CLOSE_GATE, load_tester::CLOSE_ROLLBACK] {
            load_tester::call(ground, path).await?;
        }
    }
    Ok(())
}

//! One run at a time in one namespace: a Lease, as controllers elect their leader.
//!
//! Whether a Lease is still held is not read from its times, because clocks of machines differ: whoever wants it looks on
//! for as long as it lasts and takes it when its holder did not renew it.

use super::super::ground::Ground;
use super::super::patience::insist;
use crate::cluster::ClusterError;
use crate::event::StepState;
use crate::model::object::ObjectRef;
use crate::sys::clock::Clock;
use serde_json::{Value, json};
use std::time::Duration;
use tokio_util::task::AbortOnDropHandle;

/// How long a run that was killed keeps others away.
const LASTS: Duration = Duration::from_secs(20);
/// How often a running one says that it still runs.
const RENEW_EVERY: Duration = Duration::from_secs(5);
/// How often is looked whether somebody else's is renewed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why the namespace is not free.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    #[error(
        "another run plays in this namespace now: {holder}. Wait for its end, or play on another lab; {lease} is its claim, \
         and a run that was killed gives it up within {}",
        crate::model::duration::go(LASTS)
    )]
    Held { lease: String, holder: String },
    #[error("the Lease that keeps two runs apart could not be made: {0}")]
    Cluster(#[from] ClusterError),
}

/// A held claim. [`Claim::release`] gives it back; a dropped one is given up when it has lasted out.
pub(crate) struct Claim {
    ground: Ground,
    lease: ObjectRef,
    holder: String,
    _renewing: AbortOnDropHandle<()>,
}

/// Takes the claim of the plan's namespace, or says who has it.
pub(crate) async fn take(ground: &Ground) -> Result<Claim, ClaimError> {
    let (plan, clock) = (&ground.plan, ground.clock);
    let lease = ObjectRef::new("coordination.k8s.io/v1", "Lease", &plan.namespace, "coalmine-run");
    let since = crate::sys::clock::rfc3339(clock.now());
    let holder = format!("{}, process {}, since {since}", plan.name, std::process::id());
    let fresh = spec(&lease, &holder, clock);
    let held = match insist(clock, || ground.cluster.create(&fresh)).await {
        Err(ClusterError::AlreadyExists(_)) => take_over(ground, &lease, &holder).await?,
        other => other?,
    };
    let renewing = tokio::spawn(renew(ground.clone(), held, holder.clone()));
    Ok(Claim { ground: ground.clone(), lease, holder, _renewing: AbortOnDropHandle::new(renewing) })
}

impl Claim {
    /// Gives the namespace free. Failures do not matter: the claim then lasts out.
    pub(crate) async fn release(self) {
        let cluster = &self.ground.cluster;
        if let Ok(Some(lease)) = cluster.get(&self.lease).await
            && holder_of(&lease) == self.holder
        {
            let _ = cluster.delete(&self.lease).await;
        }
    }
}

fn spec(lease: &ObjectRef, holder: &str, clock: Clock) -> Value {
    let now = now(clock);
    json!({"apiVersion": lease.api_version, "kind": lease.kind,
        "metadata": {"name": lease.name, "namespace": lease.namespace},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": LASTS.as_secs(), "acquireTime": now,
            "renewTime": now}})
}

/// `metav1.MicroTime`
fn now(clock: Clock) -> String {
    clock.now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

fn holder_of(lease: &Value) -> &str {
    lease["spec"]["holderIdentity"].as_str().unwrap_or_default()
}

/// Looks on; takes a Lease that nobody renews.
async fn take_over(ground: &Ground, lease: &ObjectRef, holder: &str) -> Result<Value, ClaimError> {
    let clock = ground.clock;
    let read = || ground.cluster.get(lease);
    let Some(first) = insist(clock, read).await? else {
        let fresh = spec(lease, holder, clock);
        return Ok(insist(clock, || ground.cluster.create(&fresh)).await?);
    };
    // The answer to our own request was lost.
    if holder_of(&first) == holder {
        return Ok(first);
    }
    let held = |by: &Value| ClaimError::Held { lease: lease.to_string(), holder: holder_of(by).to_owned() };
    let name = "wait for the last run's claim";
    ground.step(name, StepState::Started, holder_of(&first));
    let until = clock.elapsed() + LASTS;
    while clock.elapsed() < until {
        clock.sleep_until(clock.elapsed() + LOOK_EVERY).await;
        match insist(clock, read).await? {
            None => break,
            Some(now) if now["spec"] != first["spec"] => {
                ground.step(name, StepState::Failed, holder_of(&now));
                return Err(held(&now));
            }
            Some(_) => {}
        }
    }
    let mut fresh = spec(lease, holder, clock);
    let taken = match insist(clock, read).await? {
        None => ground.cluster.create(&fresh).await,
        Some(now) => {
            fresh["metadata"]["resourceVersion"] = now["metadata"]["resourceVersion"].clone();
            ground.cluster.replace(&fresh).await
        }
    };
    match taken {
        Ok(taken) => {
            ground.step(name, StepState::Done, "it was given up");
            Ok(taken)
        }
        Err(ClusterError::AlreadyExists(_) | ClusterError::Conflict(_)) => Err(held(&first)),
        Err(other) => Err(other.into()),
    }
}

/// Renews until it is aborted, or until somebody else has taken the Lease.
async fn renew(ground: Ground, mut held: Value, holder: String) {
    let clock = ground.clock;
    loop {
        clock.sleep_until(clock.elapsed() + RENEW_EVERY).await;
        held["spec"]["renewTime"] = now(clock).into();
        match ground.cluster.replace(&held).await {
            Ok(renewed) => held = renewed,
            Err(error) if error.is_passing() => {}
            Err(_) => match ground.cluster.get(&ObjectRef::of(&held)).await {
                Ok(Some(now)) if holder_of(&now) == holder => held = now,
                Ok(_) => return ground.note("another run has taken this namespace: what follows may be its doing"),
                Err(_) => {}
            },
        }
    }
}

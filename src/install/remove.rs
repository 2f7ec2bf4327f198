//! Taking away what was installed, and nothing else.

use super::Installer;
use crate::cluster::ClusterError;
use crate::model::object::ObjectRef;
use serde_json::Value;
use std::time::Duration;

/// Finalizers, and pods that end in their own time.
const GONE_WITHIN: Duration = Duration::from_mins(3);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What became of each object.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Removed {
    pub removed: Vec<ObjectRef>,
    /// Somebody else's: it does not bear the installer's mark.
    pub kept: Vec<ObjectRef>,
    /// Deleted, but still there when waiting ended.
    pub lingering: Vec<ObjectRef>,
}

/// Deletes those of `objects` that bear the installer's mark, last ones first, and waits until they are gone. Objects that are
/// not there are removed already.
pub async fn remove(installer: &Installer, objects: &[Value]) -> Result<Removed, ClusterError> {
    let mut outcome = Removed::default();
    for object in objects.iter().rev().map(ObjectRef::of) {
        let found = match installer.cluster.get(&object).await {
            Ok(found) => found,
            // Its kind went with its definition, and it with both.
            Err(ClusterError::UnknownKind { .. }) => None,
            Err(other) => return Err(other),
        };
        match found {
            None => (),
            Some(found) if installer.bears_mark(&found) => match installer.cluster.delete(&object).await {
                Ok(()) | Err(ClusterError::NotFound(_)) => outcome.removed.push(object),
                Err(other) => return Err(other),
            },
            Some(_) => outcome.kept.push(object),
        }
    }
    outcome.lingering = wait_until_gone(installer, &outcome.removed).await?;
    Ok(outcome)
}

async fn wait_until_gone(installer: &Installer, objects: &[ObjectRef]) -> Result<Vec<ObjectRef>, ClusterError> {
    let until = installer.steps.clock.elapsed() + GONE_WITHIN;
    let mut left = objects.to_vec();
    loop {
        let mut still = Vec::new();
        for object in left {
            match installer.cluster.get(&object).await {
                Ok(None) | Err(ClusterError::UnknownKind { .. }) => (),
                Ok(Some(_)) => still.push(object),
                Err(other) => return Err(other),
            }
        }
        left = still;
        if left.is_empty() || installer.steps.clock.elapsed() >= until {
            return Ok(left);
        }
        installer.steps.clock.sleep_until((installer.steps.clock.elapsed() + LOOK_EVERY).min(until)).await;
    }
}

//! The texts of Flagger's events, word for word.
//!
//! Most name the Canary (`{c}.{ns}`); those marked *target* name `spec.targetRef` instead. Examples use one name for both,
//! so the difference shows only when they differ.

use crate::model::canary::Canary;

/// `{c}.{ns}`
pub(super) fn canary(canary: &Canary) -> String {
    format!("{}.{}", canary.name(), canary.namespace())
}

/// `{t}.{ns}`
pub(super) fn target(canary: &Canary) -> String {
    format!("{}.{}", canary.spec.target_ref.name, canary.namespace())
}

/// `{t}-primary.{ns}`
pub(super) fn primary(canary: &Canary) -> String {
    format!("{}-primary.{}", canary.spec.target_ref.name, canary.namespace())
}

pub(super) fn suspended(_: &Canary) -> String {
    "skipping canary run as object is suspended".to_owned()
}

pub(super) fn providers_available(_: &Canary) -> String {
    "all the metrics providers are available!".to_owned()
}

pub(super) fn providers_unavailable(error: &str) -> String {
    format!("Error checking metric providers: {error}")
}

pub(super) fn initialised(it: &Canary) -> String {
    format!("Initialization done! {}", canary(it))
}

/// *target*
pub(super) fn new_revision(it: &Canary) -> String {
    format!("New revision detected! Scaling up {}", target(it))
}

/// *target*
pub(super) fn restarting(it: &Canary) -> String {
    format!("New revision detected! Restarting analysis for {}", target(it))
}

/// *target*
pub(super) fn starting(it: &Canary) -> String {
    format!("Starting canary analysis for {}", target(it))
}

pub(super) fn advance_weight(it: &Canary, weight: i64) -> String {
    format!("Advance {} canary weight {weight}", canary(it))
}

pub(super) fn advance_iteration(it: &Canary, iteration: i64, of: i64) -> String {
    format!("Advance {} canary iteration {iteration}/{of}", canary(it))
}

pub(super) fn advance_primary(it: &Canary, weight: i64) -> String {
    format!("Advance {} primary weight {weight}", canary(it))
}

pub(super) fn all_to_canary(mirror: bool) -> String {
    let text =
        if mirror { "Stop traffic mirroring and route all traffic to canary" } else { "Routing all traffic to canary" };
    text.to_owned()
}

/// *target*
pub(super) fn copying(it: &Canary) -> String {
    format!("Copying {} template spec to {}", target(it), primary(it))
}

pub(super) fn all_to_primary(_: &Canary) -> String {
    "Routing all traffic to primary".to_owned()
}

/// *target*
pub(super) fn promoted(it: &Canary) -> String {
    format!("Promotion completed! Scaling down {}", target(it))
}

/// *target*
pub(super) fn promoted_without_analysis(it: &Canary) -> String {
    format!("Promotion completed! Canary analysis was skipped for {}", target(it))
}

pub(super) fn terminating(it: &Canary) -> String {
    format!("Terminating canary {}", canary(it))
}

pub(super) fn terminated(it: &Canary) -> String {
    format!("Terminated canary {}", canary(it))
}

/// *target*
pub(super) fn primary_not_ready(it: &Canary, reason: &str) -> String {
    format!("{} not ready: {reason}", primary(it))
}

/// *target*
pub(super) fn canary_not_ready(it: &Canary, reason: &str) -> String {
    format!("canary deployment {} not ready: {reason}", target(it))
}

/// `Halt {c}.{ns} advancement {what}`
pub(super) fn halt(it: &Canary, what: &str) -> String {
    format!("Halt {} advancement {what}", canary(it))
}

/// `{kind} check {hook} passed`; kind is `Confirm-rollout`, `Pre-rollout`, ….
pub(super) fn hook_passed(kind: &str, hook: &str) -> String {
    format!("{kind} check {hook} passed")
}

pub(super) fn no_rollback(hook: &str) -> String {
    format!("Rollback hook {hook} not signaling a rollback")
}

pub(super) fn manual_rollback(it: &Canary) -> String {
    format!("Rolling back {} manual webhook invoked", canary(it))
}

pub(super) fn threshold_reached(it: &Canary) -> String {
    format!("Rolling back {} failed checks threshold reached {}", canary(it), it.status.failed_checks)
}

pub(super) fn failed(it: &Canary) -> String {
    format!("Canary failed! Scaling down {}", canary(it))
}

/// *target*
pub(super) fn promotion_failed(it: &Canary, error: &str) -> String {
    format!("Promotion of {} failed, primary not ready: {error}", target(it))
}

pub(super) fn post_rollout_failed(hook: &str, error: &str) -> String {
    format!("Post-rollout hook {hook} failed {error}")
}

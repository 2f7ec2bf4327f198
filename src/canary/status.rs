//! The Canary's status: which operation writes which field, and the one condition.

use super::ask::{StatusWrite, Sync};
use crate::model::canary::{Canary, CanaryStatus, Condition, Phase};
use jiff::Timestamp;

impl StatusWrite {
    /// The status after this write on `canary` as freshly read, at `now`. Every write bumps `lastTransitionTime`.
    #[must_use]
    pub fn apply(&self, canary: &Canary, now: Timestamp) -> CanaryStatus {
        if let Self::WithCookies { cookies, write } = self {
            let mut status = write.apply(canary, now);
            status.session_affinity_cookie.clone_from(&cookies.canary);
            status.primary_session_affinity_cookie.clone_from(&cookies.primary);
            status.previous_session_affinity_cookie.clone_from(&cookies.previous);
            return status;
        }
        let mut status = canary.status.clone();
        let now = stamp(now);
        status.last_transition_time.clone_from(&now);
        match self {
            Self::Sync(sync) => write_all(&mut status, sync),
            Self::SetPhase(phase) => write_phase(&mut status, *phase),
            Self::WaitForPromotion { iterations } => {
                write_phase(&mut status, Phase::WaitingPromotion);
                status.iterations = *iterations;
            }
            Self::SetInitializing => status.phase = Phase::Initializing,
            Self::SetWeight(weight) => status.canary_weight = *weight,
            Self::SetIterations(iterations) => status.iterations = *iterations,
            Self::SetFailedChecks(checks) => status.failed_checks = *checks,
            Self::WithCookies { .. } => {}
        }
        if matches!(self, Self::Sync(_) | Self::SetPhase(_) | Self::WaitForPromotion { .. } | Self::SetInitializing) {
            set_condition(&mut status, &canary.spec.target_ref.kind, &now);
        }
        status
    }
}

fn write_all(status: &mut CanaryStatus, sync: &Sync) {
    status.phase = sync.phase;
    status.canary_weight = sync.weight;
    status.failed_checks = sync.failed_checks;
    status.iterations = sync.iterations;
    status.last_applied_spec.clone_from(&sync.last_applied);
    status.tracked_configs.clone_from(&sync.tracked_configs);
    if sync.phase == Phase::Initialized {
        status.last_promoted_spec.clone_from(&sync.last_applied);
    }
}

fn write_phase(status: &mut CanaryStatus, phase: Phase) {
    status.phase = phase;
    if matches!(phase, Phase::Progressing | Phase::Waiting | Phase::Promoting) {
        return;
    }
    status.canary_weight = 0;
    status.iterations = 0;
    if matches!(phase, Phase::Initialized | Phase::Succeeded) {
        status.last_promoted_spec.clone_from(&status.last_applied_spec);
    }
}

/// Replaces the condition where its status or reason changes; its transition time is kept while the status is the same.
fn set_condition(status: &mut CanaryStatus, kind: &str, now: &str) {
    let (value, message) = condition_of(status.phase, kind);
    let current = status.conditions.iter().find(|it| it.kind == "Promoted");
    if current.is_some_and(|it| it.status == value && it.reason == status.phase.name()) {
        return;
    }
    let since = current.filter(|it| it.status == value).map_or(now, |it| &it.last_transition_time);
    status.conditions = vec![Condition {
        kind: "Promoted".to_owned(),
        status: value.to_owned(),
        last_update_time: now.to_owned(),
        last_transition_time: since.to_owned(),
        reason: status.phase.name().to_owned(),
        message,
    }];
}

/// Status and message of the condition `Promoted` in a phase; `kind` is the target's.
#[must_use]
pub fn condition_of(phase: Phase, kind: &str) -> (&'static str, String) {
    match phase {
        Phase::Initialized => ("True", format!("{kind} initialization completed.")),
        Phase::Waiting | Phase::WaitingPromotion => ("Unknown", "Waiting for approval.".to_owned()),
        Phase::Progressing => ("Unknown", "New revision detected, progressing canary analysis.".to_owned()),
        Phase::Promoting => ("Unknown", "Canary analysis completed, starting primary rolling update.".to_owned()),
        Phase::Finalising => ("Unknown", "Canary analysis completed, routing all traffic to primary.".to_owned()),
        Phase::Succeeded => ("True", "Canary analysis completed successfully, promotion finished.".to_owned()),
        Phase::Failed => ("False", format!("Canary analysis failed, {kind} scaled to zero.")),
        Phase::None | Phase::Initializing | Phase::Terminating | Phase::Terminated => {
            ("Unknown", format!("New {kind} detected, starting initialization."))
        }
    }
}

/// The value of `flagger_canary_status`: 0 Progressing, 2 Failed, 1 every other phase.
#[must_use]
pub fn gauge(phase: Phase) -> i64 {
    match phase {
        Phase::Progressing => 0,
        Phase::Failed => 2,
        _ => 1,
    }
}

/// RFC 3339 in UTC with whole seconds, as `metav1.Time` is written.
fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

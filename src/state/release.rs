//! The release under way: phase, weights, strikes, and what the controller said last.

use super::told::Told;
use super::{MAX_PHASES, Ring};
use crate::event::{Reported, StatusChanged};
use crate::model::canary::{Condition, Phase};

/// The canary weights from one moment on, percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeightPoint {
    /// Milliseconds since the run began.
    pub at_ms: u64,
    /// What the router does.
    pub live: i64,
    /// What the Canary's status says.
    pub status: i64,
}

/// The current release, or the last one. All times are milliseconds since the run began.
#[derive(Debug, Clone, PartialEq)]
pub struct Release {
    pub phase: Phase,
    /// Each phase with the time at which it began, oldest first.
    pub phases: Ring<(u64, Phase)>,
    pub status_weight: i64,
    /// None until the router was seen.
    pub live_weight: Option<i64>,
    /// `status.failedChecks`; a failed release shows 0 there.
    pub failed_checks: i64,
    /// Failed checks of this release, also after the status has gone back to 0.
    pub strikes: i64,
    pub last_strike_ms: Option<u64>,
    pub iterations: i64,
    pub condition: Option<Condition>,
    /// When the controller found the new revision.
    pub detected_ms: Option<u64>,
    /// When the analysis began.
    pub analysis_ms: Option<u64>,
    pub first_halt_ms: Option<u64>,
    /// When the controller decided to roll back.
    pub rollback_ms: Option<u64>,
    /// When the release was promoted or had failed.
    pub finished_ms: Option<u64>,
    /// Requests harmed in the run before this release was found.
    pub harmed_before: u64,
    /// What the controller said last, and when.
    pub last_told: Option<(u64, Told)>,
    /// Why the last tick did not advance: the check's words, until one advances.
    pub halted: Option<String>,
    /// The webhook whose gate is closed.
    pub gate: Option<Told>,
}

impl Default for Release {
    fn default() -> Self {
        Self {
            phase: Phase::None,
            phases: Ring::new(MAX_PHASES),
            status_weight: 0,
            live_weight: None,
            failed_checks: 0,
            strikes: 0,
            last_strike_ms: None,
            iterations: 0,
            condition: None,
            detected_ms: None,
            analysis_ms: None,
            first_halt_ms: None,
            rollback_ms: None,
            finished_ms: None,
            harmed_before: 0,
            last_told: None,
            halted: None,
            gate: None,
        }
    }
}

impl Release {
    /// Whether a release is on its way (found, and neither promoted nor rolled back).
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        matches!(
            self.phase,
            Phase::Waiting | Phase::Progressing | Phase::WaitingPromotion | Phase::Promoting | Phase::Finalising
        )
    }

    pub(super) fn status_changed(&mut self, at_ms: u64, status: &StatusChanged) {
        if status.phase != self.phase || self.phases.is_empty() {
            self.phase = status.phase;
            self.phases.push((at_ms, status.phase));
        }
        if status.failed_checks > self.failed_checks {
            self.last_strike_ms = Some(at_ms);
        }
        self.status_weight = status.weight;
        self.failed_checks = status.failed_checks;
        // The status forgets its count when the release fails; people still want to know how many it took.
        if status.phase != Phase::Failed {
            self.strikes = status.failed_checks;
        }
        self.iterations = status.iterations;
        self.condition.clone_from(&status.condition);
        if matches!(status.phase, Phase::Succeeded | Phase::Failed) && self.detected_ms.is_some() {
            self.finished_ms.get_or_insert(at_ms);
        }
    }

    /// `harmed` is how many requests the run has harmed so far.
    pub(super) fn reported(&mut self, at_ms: u64, reported: &Reported, harmed: u64) {
        let told = Told::of(&reported.message);
        match &told {
            Told::NewRevision | Told::Restarted => self.start_over(at_ms, harmed),
            Told::Starting => self.analysis_ms = Some(at_ms),
            Told::Halted(why) => self.halt(at_ms, why.clone()),
            Told::NoValues(metric) => self.halt(at_ms, format!("no values found for {metric}")),
            Told::Gate { .. } => self.gate = Some(told.clone()),
            Told::RollingBack(_) => self.rollback_ms = Some(at_ms),
            Told::Failed => self.rollback_ms = self.rollback_ms.or(Some(at_ms)),
            Told::Advanced(_) | Told::Copying => (self.halted, self.gate) = (None, None),
            _ => {}
        }
        self.last_told = Some((at_ms, told));
    }

    fn halt(&mut self, at_ms: u64, why: String) {
        self.first_halt_ms.get_or_insert(at_ms);
        self.halted = Some(why);
        self.gate = None;
    }

    fn start_over(&mut self, at_ms: u64, harmed_before: u64) {
        self.detected_ms = Some(at_ms);
        self.harmed_before = harmed_before;
        (self.analysis_ms, self.first_halt_ms, self.rollback_ms, self.finished_ms) = (None, None, None, None);
        (self.halted, self.gate, self.last_strike_ms) = (None, None, None);
        self.strikes = 0;
    }
}

//! What to show: a fold of events.
//!
//! [`LabState::apply`] takes one event after another; [`why`] says in a sentence what is going on. Every history has a limit
//! (the constants below), so a run of any length is shown in bounded memory. Values are kept as they came; words are made by
//! [`words`] when somebody looks.
//!
//! In: events.
//! Out: the state that panes, lines and reports draw.
//! Never: terminals, files, who made the events, whether the run is live or replayed.

mod checks;
mod release;
mod ring;
mod stopwatch;
mod timeline;
mod told;
mod traffic;
mod why;
pub mod words;

pub use checks::CheckState;
pub use release::{Release, WeightPoint};
pub use ring::{Point, Ring, Series};
pub use stopwatch::Stopwatch;
pub use timeline::{Entry, EntryKind, Tone};
pub use told::{Approval, Told};
pub use traffic::{Slice, Traffic, VersionTraffic};
pub use why::{Why, why};

use crate::event::{
    ClockKind, Envelope, Event, FaultChanged, LabStep, Pod, Policy, Rule, RunEnded, RunStarted, StepState, StepTaken,
    Workload,
};
use crate::model::fault::{FaultKind, FaultTarget};
use std::collections::BTreeMap;

/// Timeline entries that are kept.
pub const MAX_TIMELINE: usize = 4_000;
/// Points of one plot.
pub const MAX_POINTS: usize = 2_048;
/// Changes of weight that are kept.
pub const MAX_WEIGHTS: usize = 4_096;
/// Changes of phase that are kept.
pub const MAX_PHASES: usize = 256;
/// Checks that are followed: those of the policy first.
pub const MAX_CHECKS: usize = 64;
/// Versions whose requests are told apart; those of later ones are counted in the totals only.
pub const MAX_VERSIONS: usize = 32;
/// Pods, Deployments, alerts and steps that are listed, each.
pub const MAX_LISTED: usize = 1_000;
/// Over which time "recent" rates and shares are taken, milliseconds.
pub const RECENT_MS: u64 = 10_000;
/// Slices of requests that are kept for recent rates.
pub const MAX_SLICES: usize = 600;

/// Everything that can be shown about a run, at the moment of the last event.
#[derive(Debug, Clone, PartialEq)]
pub struct LabState {
    pub run: Option<RunStarted>,
    /// Number and time of the last event.
    pub seq: u64,
    pub now_ms: u64,
    /// Steps of making and taking down the lab, newest state of each, in order of their start.
    pub lab_steps: Vec<LabStepState>,
    pub scenario_started_ms: Option<u64>,
    pub plan_steps: usize,
    pub steps: Ring<(u64, StepTaken)>,
    pub release: Release,
    pub weights: Ring<WeightPoint>,
    pub checks: Vec<CheckState>,
    pub traffic: Traffic,
    pub workloads: BTreeMap<String, Workload>,
    pub pods: BTreeMap<String, Pod>,
    /// Faults that are on, with the time since when.
    pub faults: BTreeMap<(FaultKind, &'static str), (u64, FaultChanged)>,
    /// When the last fault went on, also when it is off again.
    pub last_fault_ms: Option<u64>,
    /// Alert rules by name, with the time of their last change.
    pub rules: BTreeMap<String, (u64, Rule)>,
    pub timeline: Ring<Entry>,
    pub ended: Option<RunEnded>,
}

/// One step of making the lab, as far as it has come.
#[derive(Debug, Clone, PartialEq)]
pub struct LabStepState {
    pub step: LabStep,
    pub started_ms: u64,
    /// When it was done or failed.
    pub ended_ms: Option<u64>,
}

impl Default for LabState {
    fn default() -> Self {
        Self {
            run: None,
            seq: 0,
            now_ms: 0,
            lab_steps: Vec::new(),
            scenario_started_ms: None,
            plan_steps: 0,
            steps: Ring::new(MAX_LISTED),
            release: Release::default(),
            weights: Ring::new(MAX_WEIGHTS),
            checks: Vec::new(),
            traffic: Traffic::default(),
            workloads: BTreeMap::new(),
            pods: BTreeMap::new(),
            faults: BTreeMap::new(),
            last_fault_ms: None,
            rules: BTreeMap::new(),
            timeline: Ring::new(MAX_TIMELINE),
            ended: None,
        }
    }
}

impl LabState {
    /// The state after all of these.
    #[must_use]
    pub fn of(events: &[Envelope]) -> Self {
        let mut state = Self::default();
        for envelope in events {
            state.apply(envelope);
        }
        state
    }

    /// Takes in the next event. Events come in order; nothing here depends on the time of the machine.
    pub fn apply(&mut self, envelope: &Envelope) {
        let at = envelope.at_ms;
        self.seq = envelope.seq;
        self.now_ms = self.now_ms.max(at);
        match &envelope.event {
            Event::RunStarted(it) => self.run_started(it),
            Event::LabStep(it) => self.lab_step(at, it),
            Event::ScenarioStarted(it) => {
                self.scenario_started_ms = Some(at);
                self.plan_steps = it.steps;
            }
            Event::StepTaken(it) => self.steps.push((at, it.clone())),
            Event::FaultChanged(it) => self.fault_changed(at, it),
            Event::Reported(it) => self.release.reported(at, it, self.traffic.harmed),
            Event::StatusChanged(it) => {
                self.release.status_changed(at, it);
                self.note_weight(at);
            }
            Event::RouteChanged(it) => {
                self.release.live_weight = Some(it.canary);
                self.note_weight(at);
            }
            Event::Measured(it) => it.values.iter().for_each(|it| self.measured(at, &it.check, it.value)),
            Event::Requests(it) => self.traffic.add(at, it),
            Event::Workload(it) => insert_bounded(&mut self.workloads, &it.name, it.clone()),
            Event::Pod(it) => self.pod(it),
            Event::Rule(it) => insert_bounded(&mut self.rules, &it.alert, (at, it.clone())),
            Event::Command(_) | Event::Note(_) => {}
            Event::RunEnded(it) => self.ended = Some(it.clone()),
        }
        if let Some(entry) = Entry::of(envelope) {
            self.timeline.push(entry);
        }
    }

    /// The policy, or an empty one before the run has said it.
    #[must_use]
    pub fn policy(&self) -> Option<&Policy> {
        self.run.as_ref().map(|it| &it.policy)
    }

    /// Failed checks before rollback; 0 before the run has said it.
    #[must_use]
    pub fn threshold(&self) -> i64 {
        self.policy().map_or(0, |it| it.threshold)
    }

    #[must_use]
    pub fn clock(&self) -> Option<ClockKind> {
        self.run.as_ref().map(|it| it.clock)
    }

    /// A run's time as scenario time, milliseconds; negative before the scenario began. While there is no scenario yet the
    /// lab's own time is shown.
    #[must_use]
    pub fn scenario_ms(&self, at_ms: u64) -> i64 {
        at_ms as i64 - self.scenario_started_ms.unwrap_or(0) as i64
    }

    /// Scenario time in words, for a time of the run: `1m45s`.
    #[must_use]
    pub fn time(&self, at_ms: u64) -> String {
        words::signed_span(self.scenario_ms(at_ms))
    }

    /// Weight that the router gives to the canary now, percent; the status' word for it where the router has not been seen.
    #[must_use]
    pub fn live_weight(&self) -> i64 {
        self.release.live_weight.unwrap_or(self.release.status_weight)
    }

    /// The check that people mean by "success rate": Flagger's own, else the first in percent with a lower limit.
    #[must_use]
    pub fn success_check(&self) -> Option<&CheckState> {
        self.named_check("request-success-rate")
            .or_else(|| self.checks.iter().find(|it| it.check.unit == "%" && it.check.min.is_some()))
    }

    /// The check that people mean by "latency": Flagger's own, else the first in milliseconds.
    #[must_use]
    pub fn latency_check(&self) -> Option<&CheckState> {
        self.named_check("request-duration").or_else(|| self.checks.iter().find(|it| it.check.unit == "ms"))
    }

    #[must_use]
    pub fn named_check(&self, name: &str) -> Option<&CheckState> {
        self.checks.iter().find(|it| it.check.name == name)
    }

    /// Requests harmed since the current (or last) revision was found.
    #[must_use]
    pub fn harmed_in_release(&self) -> u64 {
        self.traffic.harmed - self.release.harmed_before.min(self.traffic.harmed)
    }

    fn run_started(&mut self, run: &RunStarted) {
        self.checks = run.policy.checks.iter().take(MAX_CHECKS).map(CheckState::new).collect();
        self.run = Some(run.clone());
    }

    fn lab_step(&mut self, at_ms: u64, step: &LabStep) {
        let ended_ms = (step.state != StepState::Started).then_some(at_ms);
        let open = self.lab_steps.iter_mut().rev().find(|it| it.step.name == step.name && it.ended_ms.is_none());
        if let Some(open) = open {
            *open = LabStepState { step: step.clone(), started_ms: open.started_ms, ended_ms };
        } else if self.lab_steps.len() < MAX_LISTED {
            self.lab_steps.push(LabStepState { step: step.clone(), started_ms: at_ms, ended_ms });
        }
    }

    fn fault_changed(&mut self, at_ms: u64, fault: &FaultChanged) {
        let key = (fault.fault, target_name(fault.target));
        if fault.on {
            self.faults.insert(key, (at_ms, fault.clone()));
            self.last_fault_ms = Some(at_ms);
        } else {
            self.faults.remove(&key);
        }
    }

    fn note_weight(&mut self, at_ms: u64) {
        let point = WeightPoint { at_ms, live: self.live_weight(), status: self.release.status_weight };
        let same = self.weights.last().is_some_and(|it| (it.live, it.status) == (point.live, point.status));
        if !same {
            self.weights.push(point);
        }
    }

    fn measured(&mut self, at_ms: u64, name: &str, value: Option<f64>) {
        if let Some(check) = self.checks.iter_mut().find(|it| it.check.name == name) {
            check.take(at_ms, value);
        } else if self.checks.len() < MAX_CHECKS {
            let mut check = CheckState::unlimited(name);
            check.take(at_ms, value);
            self.checks.push(check);
        }
    }

    fn pod(&mut self, pod: &Pod) {
        if pod.state == "Gone" {
            self.pods.remove(&pod.name);
        } else {
            insert_bounded(&mut self.pods, &pod.name, pod.clone());
        }
    }
}

/// `canary`, `primary` or `all`.
fn target_name(target: FaultTarget) -> &'static str {
    match target {
        FaultTarget::Canary => "canary",
        FaultTarget::Primary => "primary",
        FaultTarget::All => "all",
    }
}

/// Inserts unless the map is full of other names.
fn insert_bounded<T>(map: &mut BTreeMap<String, T>, name: &str, value: T) {
    if let Some(place) = map.get_mut(name) {
        *place = value;
    } else if map.len() < MAX_LISTED {
        map.insert(name.to_owned(), value);
    }
}

//! What a run's events say, in one pass: the ground that the verdict and the expectations stand on.

use crate::event::{Envelope, Event, Policy, Requests, StatusChanged, StepKind, StepTaken};
use crate::model::canary::Phase;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Begins the event by which Flagger says that it saw a new version. Times of a release count from here.
const DETECTED: &str = "New revision detected! Scaling up ";
/// Begins the event of a version that replaced another one in mid-run: the analysis begins again.
const RESTARTED: &str = "New revision detected! Restarting analysis for ";

/// Everything since scenario time zero, unless it says otherwise.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub policy: Policy,
    pub zero: Duration,
    /// Time of the last event.
    pub end: Duration,
    /// Phases entered, in order; the one at time zero first.
    pub phases: Vec<(Duration, Phase)>,
    /// Flagger's events, in order.
    pub reports: Vec<(Duration, String)>,
    /// Highest live weight of the canary.
    pub top_weight: i64,
    /// Live weight at the end.
    pub weight: i64,
    /// Highest `failedChecks`.
    pub failed_checks: i64,
    pub requests: u64,
    pub harmed: u64,
    /// Begin of the first slice with a harmed request, and the intended start of the last harmed request.
    pub harm: Option<(Duration, Duration)>,
    /// When the first fault went on.
    pub fault: Option<Duration>,
    pub taken: BTreeSet<usize>,
    /// Version of the last release step.
    pub version: String,
    /// A person asked to end the run.
    pub quit: bool,
    /// Canary pods that are not ready, with their state in words.
    pub unready: BTreeMap<String, String>,
    /// The release that was last seen.
    pub last: Run,
}

/// One release, from its detection on.
#[derive(Debug, Clone, Default)]
pub(super) struct Run {
    pub detected: Option<Duration>,
    /// Highest `failedChecks`.
    pub strikes: i64,
    /// Texts of its events, in order.
    pub reports: Vec<String>,
    /// Phase Succeeded or Failed, and when.
    pub decided: Option<(Duration, Phase)>,
}

impl Run {
    /// From detection to the decision.
    pub fn took(&self, phase: Phase) -> Option<Duration> {
        let (at, decided) = self.decided?;
        (decided == phase).then(|| at.saturating_sub(self.detected.unwrap_or(at)))
    }

    /// The last event that has all these parts in this order.
    pub fn last_with(&self, parts: &str) -> Option<&str> {
        self.reports.iter().rev().find(|text| matches(parts, text)).map(String::as_str)
    }
}

/// Reads the stream.
pub(super) fn collect(events: &[Envelope]) -> Facts {
    let mut facts = Facts::default();
    let mut started = false;
    for envelope in events {
        let at = envelope.at();
        facts.end = at;
        match &envelope.event {
            Event::RunStarted(it) => facts.policy = it.policy.clone(),
            Event::ScenarioStarted(_) => {
                // What came before belongs to making the lab; only the state it left counts.
                let state = facts.phases.last().copied();
                let policy = std::mem::take(&mut facts.policy);
                facts = Facts { policy, zero: at, end: at, weight: facts.weight, ..Facts::default() };
                facts.phases.extend(state.map(|(_, phase)| (at, phase)));
                started = true;
            }
            event => facts.take(at, event, started),
        }
    }
    facts
}

impl Facts {
    fn take(&mut self, at: Duration, event: &Event, started: bool) {
        match event {
            Event::StatusChanged(status) => self.status(at, status),
            Event::RouteChanged(route) => {
                self.weight = route.canary;
                self.top_weight = self.top_weight.max(route.canary);
            }
            Event::Reported(report) => self.report(at, &report.message),
            Event::Requests(slice) if started => self.slice(at, slice),
            Event::FaultChanged(fault) if fault.on => {
                self.fault.get_or_insert(at);
            }
            Event::StepTaken(step) => self.step(step),
            Event::Command(command) => self.quit |= command.text == "quit",
            Event::Pod(pod) if self.is_canary_pod(&pod.name) => {
                if pod.ready || matches!(pod.state.as_str(), "Gone" | "Terminating") {
                    self.unready.remove(&pod.name);
                } else {
                    self.unready.insert(pod.name.clone(), pod.state.clone());
                }
            }
            _ => {}
        }
    }

    /// Pods are named `<deployment>-<hash>-<suffix>`.
    fn is_canary_pod(&self, name: &str) -> bool {
        let own = name.strip_prefix(&self.policy.target).is_some_and(|rest| rest.starts_with('-'));
        own && !name.starts_with(&format!("{}-primary-", self.policy.target))
    }

    fn status(&mut self, at: Duration, status: &StatusChanged) {
        self.failed_checks = self.failed_checks.max(status.failed_checks);
        self.last.strikes = self.last.strikes.max(status.failed_checks);
        if self.phases.last().is_some_and(|(_, phase)| *phase == status.phase) {
            return;
        }
        self.phases.push((at, status.phase));
        match status.phase {
            Phase::Succeeded | Phase::Failed => self.last.decided = Some((at, status.phase)),
            Phase::Waiting | Phase::Progressing if self.last.decided.is_some() => {
                // The event of the detection can come before the status or after it.
                let fresh = self.last.detected > self.last.decided.map(|(at, _)| at);
                self.last =
                    if fresh { Run { decided: None, ..std::mem::take(&mut self.last) } } else { Run::default() };
            }
            _ => {}
        }
    }

    fn report(&mut self, at: Duration, message: &str) {
        if message.starts_with(DETECTED) || message.starts_with(RESTARTED) {
            self.last = Run { detected: Some(at), ..Run::default() };
        }
        let reached = message.rsplit_once("failed checks threshold reached ").and_then(|(_, n)| n.parse().ok());
        self.last.strikes = self.last.strikes.max(reached.unwrap_or_default());
        self.reports.push((at, message.to_owned()));
        self.last.reports.push(message.to_owned());
    }

    fn slice(&mut self, at: Duration, slice: &Requests) {
        for tally in slice.versions.values() {
            self.requests += tally.requests;
            self.harmed += tally.harmed;
            if tally.harmed > 0 {
                let begin = at.saturating_sub(Duration::from_millis(slice.slice_ms));
                let last = tally.last_harmed_at_ms.map_or(at, Duration::from_millis);
                let (first, before) = self.harm.unwrap_or((begin, last));
                self.harm = Some((first.min(begin), before.max(last)));
            }
        }
    }

    fn step(&mut self, step: &StepTaken) {
        self.taken.insert(step.index);
        if step.kind == StepKind::Release {
            let words = step.text.strip_prefix("release ").unwrap_or(&step.text);
            words.split(' ').next().unwrap_or_default().clone_into(&mut self.version);
        }
    }

    /// The phase at the end.
    pub fn phase(&self) -> Phase {
        self.phases.last().map_or(Phase::None, |(_, phase)| *phase)
    }
}

/// Whether `text` is what `pattern` says, where `*` stands for any text.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

//! What of one run is compared.

use crate::event::{Envelope, Event, Policy, RunEnded, RunStarted};
use crate::model::canary::Phase;
use crate::state::words::thousands;

/// Begins the event from which times count.
const DETECTED: &str = "New revision detected! Scaling up ";
/// Events that say the same at every tick.
const EVERY_TICK: [&str; 2] = ["Rollback hook ", "all the metrics providers are available!"];

/// One run from scenario time zero on. Times are milliseconds since the run began.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Facts {
    pub run: Option<RunStarted>,
    pub ended: Option<RunEnded>,
    /// The detection of the first new revision, else time zero.
    pub zero_ms: u64,
    pub phases: Vec<Phase>,
    pub events: Vec<Told>,
    /// Live weights of the canary, each change.
    pub weights: Vec<i64>,
    pub strikes: i64,
    pub requests: u64,
    pub harmed: u64,
    /// Phase Succeeded or Failed, the last time.
    pub decided_ms: Option<u64>,
}

/// One of Flagger's events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub at_ms: u64,
    pub text: String,
    /// The text without what may differ.
    pub meaning: String,
    /// How many ticks waited for pods before it.
    pub waits: u64,
}

impl Facts {
    pub(super) fn of(events: &[Envelope]) -> Self {
        let mut facts = Self::default();
        let (mut waits, mut detected) = (0, false);
        for envelope in events {
            let at_ms = envelope.at_ms;
            match &envelope.event {
                Event::RunStarted(it) => facts.run = Some(it.clone()),
                Event::RunEnded(it) => facts.ended = Some(it.clone()),
                Event::ScenarioStarted(_) => {
                    facts = Self { run: facts.run.take(), zero_ms: at_ms, ..facts.state() };
                    (waits, detected) = (0, false);
                }
                Event::StatusChanged(it) => {
                    facts.strikes = facts.strikes.max(it.failed_checks);
                    if facts.phases.last() != Some(&it.phase) {
                        facts.phases.push(it.phase);
                        let decided = matches!(it.phase, Phase::Succeeded | Phase::Failed);
                        facts.decided_ms = if decided { Some(at_ms) } else { facts.decided_ms };
                    }
                }
                Event::RouteChanged(it) if facts.weights.last() != Some(&it.canary) => facts.weights.push(it.canary),
                Event::Reported(it) if it.message.contains(" not ready: ") => waits += 1,
                Event::Reported(it) if EVERY_TICK.iter().any(|start| it.message.starts_with(start)) => {}
                Event::Reported(it) => {
                    if !detected && it.message.starts_with(DETECTED) {
                        (detected, facts.zero_ms) = (true, at_ms);
                    }
                    let meaning = meaning(&it.message);
                    facts.events.push(Told { at_ms, text: it.message.clone(), meaning, waits });
                }
                Event::Requests(it) => {
                    facts.requests += it.versions.values().map(|it| it.requests).sum::<u64>();
                    facts.harmed += it.versions.values().map(|it| it.harmed).sum::<u64>();
                }
                _ => {}
            }
        }
        facts
    }

    /// What a scenario finds when it starts: the phase and the weight of that moment.
    fn state(&self) -> Self {
        let phases = self.phases.last().copied().into_iter().collect();
        Self { weights: vec![self.weights.last().copied().unwrap_or_default()], phases, ..Self::default() }
    }

    pub(super) fn policy(&self) -> Option<&Policy> {
        self.run.as_ref().map(|it| &it.policy)
    }

    /// Milliseconds after the detection; negative before it.
    pub(super) fn since(&self, at_ms: u64) -> i64 {
        i64::try_from(at_ms).unwrap_or(i64::MAX) - i64::try_from(self.zero_ms).unwrap_or(i64::MAX)
    }

    pub(super) fn verdict(&self) -> String {
        self.ended.as_ref().map_or("no end", |it| it.outcome.words()).to_owned()
    }

    /// `312 of 9,000`
    pub(super) fn harm(&self) -> String {
        format!("{} of {}", thousands(self.harmed), thousands(self.requests))
    }
}

/// A text without its measured value, the word before ` < ` or ` > `, and without what a query's error adds.
fn meaning(text: &str) -> String {
    if let Some((start, _)) = text.split_once(" is not receiving traffic") {
        return format!("{start} is not receiving traffic");
    }
    for sign in [" < ", " > "] {
        if let Some((before, limit)) = text.split_once(sign)
            && let Some((words, value)) = before.rsplit_once(' ')
            && value.starts_with(|it: char| it.is_ascii_digit())
        {
            return format!("{words} …{sign}{limit}");
        }
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_does_not_count() {
        for (text, expected) in [
            ("Halt a.b advancement success rate 71.43% < 99%", "Halt a.b advancement success rate … < 99%"),
            ("Halt a.b advancement request duration 1.515s > 500ms", "Halt a.b advancement request duration … > 500ms"),
            ("Halt a.b advancement errors 0.20 > 0.1", "Halt a.b advancement errors … > 0.1"),
            ("Advance a.b canary weight 10", "Advance a.b canary weight 10"),
            ("Prometheus query failed: a > b", "Prometheus query failed: a > b"),
            (
                "Halt advancement no values found for nginx metric request-success-rate probably a.b is not receiving \
                 traffic: running query failed: no values found",
                "Halt advancement no values found for nginx metric request-success-rate probably a.b is not receiving \
                 traffic",
            ),
        ] {
            assert_eq!(meaning(text), expected);
        }
    }
}

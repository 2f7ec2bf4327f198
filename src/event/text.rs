//! One sentence per event. Log lines, pane rows and report rows all show this text, so they cannot differ.

use super::kind::{
    ClockKind, Command, Event, FaultChanged, LabStep, Measured, Note, Pod, Reported, Requests, RouteChanged, Rule,
    RunEnded, RunStarted, ScenarioStarted, StatusChanged, StepState, StepTaken, Workload,
};
use crate::model::fault::FaultTarget;
use std::fmt::{self, Display, Formatter};

impl Display for Event {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::RunStarted(it) => it.fmt(f),
            Self::LabStep(it) => it.fmt(f),
            Self::ScenarioStarted(it) => it.fmt(f),
            Self::StepTaken(it) => it.fmt(f),
            Self::FaultChanged(it) => it.fmt(f),
            Self::Reported(it) => it.fmt(f),
            Self::StatusChanged(it) => it.fmt(f),
            Self::RouteChanged(it) => it.fmt(f),
            Self::Measured(it) => it.fmt(f),
            Self::Requests(it) => it.fmt(f),
            Self::Workload(it) => it.fmt(f),
            Self::Pod(it) => it.fmt(f),
            Self::Rule(it) => it.fmt(f),
            Self::Command(it) => it.fmt(f),
            Self::Note(it) => it.fmt(f),
            Self::RunEnded(it) => it.fmt(f),
        }
    }
}

impl ClockKind {
    /// `simulated clock` or `wall clock`, as it is said wherever a person looks.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Simulated => "simulated clock",
            Self::Wall => "wall clock",
        }
    }
}

impl Display for RunStarted {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "run {} on the {} lab, {}, seed {}", self.scenario, self.lab, self.clock.words(), self.seed)
    }
}

impl Display for LabStep {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            StepState::Started => "…",
            StepState::Done => " done",
            StepState::Failed => " failed",
        };
        write!(f, "lab: {}{state}", self.name)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

impl Display for ScenarioStarted {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "scenario starts: {} step{}", self.steps, if self.steps == 1 { "" } else { "s" })
    }
}

impl Display for StepTaken {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "step {}: {}", self.index + 1, self.text)
    }
}

impl Display for FaultChanged {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let place = match self.target {
            FaultTarget::Canary => "the canary",
            FaultTarget::Primary => "the primary",
            FaultTarget::All => "all pods",
        };
        write!(f, "fault {} ", self.fault.name())?;
        if self.on {
            write!(f, "on at {} % of requests on {place}", (self.rate * 1000.0).round() / 10.0)?;
        } else {
            write!(f, "off on {place}")?;
        }
        if self.detail.is_empty() { Ok(()) } else { write!(f, " ({})", self.detail) }
    }
}

impl Display for Reported {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Display for StatusChanged {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let phase = if self.phase.name().is_empty() { "none" } else { self.phase.name() };
        write!(f, "status: phase {phase}, weight {} %, failed checks {}", self.weight, self.failed_checks)?;
        if self.iterations == 0 { Ok(()) } else { write!(f, ", iterations {}", self.iterations) }
    }
}

impl Display for RouteChanged {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "routes: primary {} %, canary {} %", self.primary, self.canary)
    }
}

impl Display for Measured {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("measured:")?;
        for (place, it) in self.values.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            match it.value {
                Some(value) => write!(f, "{comma} {} {}", it.check, (value * 100.0).round() / 100.0)?,
                None => write!(f, "{comma} {} has no value", it.check)?,
            }
        }
        Ok(())
    }
}

impl Display for Requests {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "requests in {} ms:", self.slice_ms)?;
        for (place, (version, tally)) in self.versions.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            let version = if version.is_empty() { "no version" } else { version };
            write!(f, "{comma} {version} {} ({} harmed)", tally.requests, tally.harmed)?;
        }
        Ok(())
    }
}

impl Display for Workload {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { name, version, desired, ready, updated } = self;
        write!(f, "deployment {name} {version}: {ready} of {desired} ready, {updated} updated")
    }
}

impl Display for Pod {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "pod {} {}: {}", self.name, self.version, self.state)?;
        f.write_str(if self.ready { ", ready" } else { ", not ready" })?;
        match self.restarts {
            0 => Ok(()),
            1 => f.write_str(", 1 restart"),
            many => write!(f, ", {many} restarts"),
        }
    }
}

impl Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "alert {} {}", self.alert, if self.firing { "fires" } else { "is resolved" })?;
        if self.summary.is_empty() { Ok(()) } else { write!(f, ": {}", self.summary) }
    }
}

impl Display for Command {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "by hand: {}", self.text)
    }
}

impl Display for Note {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "note: {}", self.text)
    }
}

impl Display for RunEnded {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // Most reasons begin with the outcome themselves.
        if self.why.starts_with(self.outcome.words()) {
            f.write_str(&self.why)
        } else {
            write!(f, "{}: {}", self.outcome.words(), self.why)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Measurement, Tally};
    use crate::model::fault::FaultKind;

    #[test]
    fn events_read_as_sentences() {
        let fault = FaultChanged {
            fault: FaultKind::Http500,
            target: FaultTarget::Canary,
            on: true,
            rate: 0.305,
            detail: "for 20s".to_owned(),
        };
        assert_eq!(fault.to_string(), "fault http-500 on at 30.5 % of requests on the canary (for 20s)");
        let off = FaultChanged { on: false, detail: String::new(), ..fault };
        assert_eq!(off.to_string(), "fault http-500 off on the canary");
        let values = vec![
            Measurement { check: "request-success-rate".to_owned(), value: Some(71.428_571) },
            Measurement { check: "request-duration".to_owned(), value: None },
        ];
        let measured = Event::Measured(Measured { values });
        assert_eq!(measured.to_string(), "measured: request-success-rate 71.43, request-duration has no value");
        let tally = Tally { requests: 10, harmed: 3, ..Tally::default() };
        let requests = Requests { slice_ms: 1000, versions: [(String::new(), tally)].into() };
        assert_eq!(requests.to_string(), "requests in 1000 ms: no version 10 (3 harmed)");
        let pod = Pod {
            name: "a".to_owned(),
            version: "1".to_owned(),
            ready: false,
            restarts: 1,
            state: "Running".to_owned(),
        };
        assert_eq!(pod.to_string(), "pod a 1: Running, not ready, 1 restart");
    }
}

//! What is told as a list: every event but the bulk data (measurements, requests, weights, counts of pods).

use crate::event::{Envelope, Event, Reported, StepState};

/// One line of the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Milliseconds since the run began.
    pub at_ms: u64,
    pub seq: u64,
    pub kind: EntryKind,
    pub tone: Tone,
    pub text: String,
}

/// Who speaks; `name` is what filters match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    Lab,
    Scenario,
    Fault,
    Controller,
    Pod,
    Alert,
    Person,
    Note,
    Verdict,
}

impl EntryKind {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lab => "lab",
            Self::Scenario => "scenario",
            Self::Fault => "fault",
            Self::Controller => "controller",
            Self::Pod => "pod",
            Self::Alert => "alert",
            Self::Person => "person",
            Self::Note => "note",
            Self::Verdict => "verdict",
        }
    }
}

/// How an entry sounds. Views add a sign and a word to the colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Plain,
    /// Somebody or the scenario did something to the lab.
    Act,
    Good,
    Warning,
    /// Rollback, failure.
    Bad,
}

impl Tone {
    /// One character that carries the tone without colour.
    #[must_use]
    pub fn sign(self) -> char {
        match self {
            Self::Plain => '·',
            Self::Act => '▸',
            Self::Good => '✔',
            Self::Warning => '!',
            Self::Bad => '✖',
        }
    }

    /// The same for terminals without Unicode.
    #[must_use]
    pub fn ascii_sign(self) -> char {
        match self {
            Self::Plain => '.',
            Self::Act => '>',
            Self::Good => '+',
            Self::Warning => '!',
            Self::Bad => 'x',
        }
    }
}

impl Entry {
    /// The entry for an event; none for bulk data.
    #[must_use]
    pub fn of(envelope: &Envelope) -> Option<Self> {
        let (kind, tone) = kind_and_tone(&envelope.event)?;
        Some(Self { at_ms: envelope.at_ms, seq: envelope.seq, kind, tone, text: envelope.event.to_string() })
    }
}

fn kind_and_tone(event: &Event) -> Option<(EntryKind, Tone)> {
    Some(match event {
        Event::LabStep(it) if it.state == StepState::Failed => (EntryKind::Lab, Tone::Bad),
        Event::LabStep(_) => (EntryKind::Lab, Tone::Plain),
        Event::ScenarioStarted(_) => (EntryKind::Scenario, Tone::Plain),
        Event::StepTaken(_) => (EntryKind::Scenario, Tone::Act),
        Event::FaultChanged(_) => (EntryKind::Fault, Tone::Act),
        Event::Reported(it) => (EntryKind::Controller, reported_tone(it)),
        Event::Pod(it) if is_bad_pod_state(&it.state) => (EntryKind::Pod, Tone::Warning),
        Event::Rule(it) => (EntryKind::Alert, if it.firing { Tone::Warning } else { Tone::Good }),
        Event::Command(_) => (EntryKind::Person, Tone::Act),
        Event::Note(_) => (EntryKind::Note, Tone::Warning),
        Event::RunEnded(it) if it.as_expected() => (EntryKind::Verdict, Tone::Good),
        Event::RunEnded(_) => (EntryKind::Verdict, Tone::Bad),
        Event::RunStarted(_)
        | Event::StatusChanged(_)
        | Event::RouteChanged(_)
        | Event::Measured(_)
        | Event::Requests(_)
        | Event::Workload(_)
        | Event::Pod(_) => return None,
    })
}

fn reported_tone(reported: &Reported) -> Tone {
    let starts = |it: &str| reported.message.starts_with(it);
    if starts("Rolling back") || starts("Canary failed!") {
        Tone::Bad
    } else if starts("Promotion completed!") || starts("Initialization done!") {
        Tone::Good
    } else if reported.warning {
        Tone::Warning
    } else {
        Tone::Plain
    }
}

/// Whether a pod's state in kubectl's words is trouble.
pub(crate) fn is_bad_pod_state(state: &str) -> bool {
    state.ends_with("BackOff")
        || state.starts_with("Err")
        || ["Error", "OOMKilled", "Failed", "Unknown"].contains(&state)
}

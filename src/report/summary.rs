//! What the written reports say, made once, so that Markdown and HTML cannot disagree. Words only: no markup.

use super::line::policy_words;
use super::plot::{Plot, plots};
use crate::event::Envelope;
use crate::event::{ClockKind, Event, Expectation, RunEnded, RunStarted};
use crate::model::canary::Phase;
use crate::state::{CheckState, EntryKind, LabState, Stopwatch, Tone, VersionTraffic, why, words};
use serde::Serialize;

/// What stands for a scenario in records of `coalmine watch`.
const WATCH: &str = "watch";
/// The lab that a run makes for itself.
const EMBEDDED: &str = "embedded";
/// Timeline rows of a report at most; of longer runs the newest are told.
const MAX_ROWS: usize = 2_000;

/// A report's contents in reading order.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    pub scenario: String,
    pub title: String,
    /// `rolled back`, …; `not finished` for a run that was killed.
    pub outcome: String,
    /// Whether the scenario's expectations were met; none for a run without end.
    pub as_expected: Option<bool>,
    pub tone: &'static str,
    pub sign: char,
    pub why: String,
    pub next: String,
    pub facts: Vec<(&'static str, String)>,
    pub policy: String,
    pub checks: Vec<CheckRow>,
    pub harm: String,
    pub moments: Vec<Moment>,
    pub phases: Vec<PhaseRow>,
    pub versions: Vec<VersionRow>,
    pub faults: Vec<(String, String)>,
    pub steps: Vec<(String, String)>,
    pub expectations: Vec<Expectation>,
    pub timeline: Vec<TimelineRow>,
    /// Older timeline entries that are not told.
    pub left_out: u64,
    pub lab_steps: Vec<(String, String, String)>,
    pub plots: Vec<Plot>,
    pub reproduce: String,
    pub reproduce_note: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct CheckRow {
    pub name: String,
    pub limits: String,
    pub window: String,
    pub latest: String,
    pub worst: String,
    pub violations: String,
    pub verdict: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct Moment {
    pub name: &'static str,
    pub time: String,
    /// Since the first moment.
    pub after: String,
}

#[derive(Debug, Serialize)]
pub(super) struct PhaseRow {
    pub time: String,
    pub phase: &'static str,
    pub lasted: String,
}

#[derive(Debug, Serialize)]
pub(super) struct VersionRow {
    pub version: String,
    pub backend: String,
    pub requests: String,
    pub share: String,
    pub harmed: String,
    pub classes: [String; 5],
    pub mean: String,
    pub worst_p99: String,
    pub max: String,
}

#[derive(Debug, Serialize)]
pub(super) struct TimelineRow {
    pub time: String,
    pub kind: &'static str,
    pub tone: &'static str,
    pub sign: char,
    pub text: String,
}

impl Summary {
    pub(super) fn of(events: &[Envelope]) -> Self {
        let state = LabState::of(events);
        let (explained, ended) = (why(&state), state.ended.as_ref());
        let run = state.run.as_ref();
        let watch = Stopwatch::of(&state);
        let as_expected = ended.map(RunEnded::as_expected);
        let tone = ended.map_or(Tone::Warning, |it| if it.as_expected() { Tone::Good } else { Tone::Bad });
        let skipped = state.timeline.len().saturating_sub(MAX_ROWS);
        Self {
            scenario: run.map_or_else(String::new, |it| it.scenario.clone()),
            title: run.map_or_else(String::new, |it| it.title.clone()),
            outcome: ended.map_or("not finished", |it| it.outcome.words()).to_owned(),
            as_expected,
            tone: tone_name(tone),
            sign: tone.sign(),
            why: ended.map_or(explained.text, |it| it.why.clone()),
            next: ended.map_or(explained.next, |it| it.next.clone()),
            facts: facts(&state),
            policy: state.policy().map_or_else(String::new, policy_words),
            checks: state.checks.iter().map(check_row).collect(),
            harm: watch.sentence().unwrap_or_else(|| "nobody was harmed".to_owned()),
            moments: moments(&state, &watch),
            phases: phases(&state),
            versions: state.traffic.versions.iter().map(|(name, it)| version_row(&state, name, it)).collect(),
            faults: faults(&state, events),
            steps: state.steps.iter().map(|(at, it)| (state.time(*at), it.text.clone())).collect(),
            expectations: ended.map_or_else(Vec::new, |it| it.expectations.clone()),
            timeline: state
                .timeline
                .iter()
                .skip(skipped)
                .filter(|it| it.kind != EntryKind::Lab)
                .map(|it| timeline_row(&state, it))
                .collect(),
            left_out: state.timeline.dropped() + skipped as u64,
            lab_steps: lab_steps(&state),
            plots: plots(&state),
            reproduce: run.map_or_else(String::new, reproduce),
            reproduce_note: reproduce_note(&state),
        }
    }
}

pub(super) fn tone_name(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "plain",
        Tone::Act => "act",
        Tone::Good => "good",
        Tone::Warning => "warning",
        Tone::Bad => "bad",
    }
}

fn facts(state: &LabState) -> Vec<(&'static str, String)> {
    let Some(run) = &state.run else { return Vec::new() };
    let policy = &run.policy;
    let begin = state.scenario_started_ms.unwrap_or(0);
    vec![
        ("scenario", run.scenario.clone()),
        ("lab", run.lab.clone()),
        ("clock", run.clock.words().to_owned()),
        ("started", run.started.clone()),
        ("lab made in", words::span(begin)),
        ("scenario ran", words::span(state.now_ms.saturating_sub(begin))),
        ("seed", run.seed.to_string()),
        ("canary", format!("{}.{} (target {})", policy.canary, policy.namespace, policy.target)),
        ("provider", policy.provider.clone()),
        ("strategy", policy.strategy.clone()),
        ("coalmine", run.version.clone()),
    ]
}

fn check_row(it: &CheckState) -> CheckRow {
    let shown = |value: Option<f64>| match value {
        Some(value) => words::with_unit(&words::measured(value, &it.check.unit), &it.check.unit),
        None if it.latest.is_some() => "no value".to_owned(),
        None => "not measured".to_owned(),
    };
    let values = || it.series.points().filter_map(|it| it.value);
    // The worst is the one farthest towards the limit that exists.
    let worst = if it.check.min.is_some() { values().reduce(f64::min) } else { values().reduce(f64::max) };
    CheckRow {
        name: it.check.name.clone(),
        limits: words::limits(&it.check),
        window: words::span(it.check.window_ms),
        latest: shown(it.value()),
        worst: shown(worst),
        violations: words::thousands(it.violations),
        verdict: match (it.latest, it.violations) {
            (None, _) => "not measured",
            (_, 0) => "kept",
            _ => "broken",
        },
    }
}

fn moments(state: &LabState, watch: &Stopwatch) -> Vec<Moment> {
    let all = watch.moments();
    let first = all.first().map_or(0, |it| it.1);
    let moment =
        |(name, at): (&'static str, u64)| Moment { name, time: state.time(at), after: words::span(at - first) };
    all.into_iter().map(moment).collect()
}

fn phases(state: &LabState) -> Vec<PhaseRow> {
    let all: Vec<(u64, Phase)> = state.release.phases.iter().copied().collect();
    let ends = all.iter().skip(1).map(|it| it.0).chain([state.now_ms]);
    let row = |((at, phase), end): (&(u64, Phase), u64)| PhaseRow {
        time: state.time(*at),
        phase: if phase.name().is_empty() { "none" } else { phase.name() },
        lasted: words::span(end.saturating_sub(*at)),
    };
    all.iter().zip(ends).map(row).collect()
}

fn version_row(state: &LabState, name: &str, it: &VersionTraffic) -> VersionRow {
    let percent = |part: u64, all: u64| format!("{} %", words::number(100.0 * part as f64 / all.max(1) as f64, 2));
    let millis = |value: f64| words::with_unit(&words::measured(value, "ms"), "ms");
    VersionRow {
        version: if name.is_empty() { "no version answered".to_owned() } else { name.to_owned() },
        backend: it.backend.clone(),
        requests: words::thousands(it.requests),
        share: percent(it.requests, state.traffic.requests),
        harmed: format!("{} ({})", words::thousands(it.harmed), percent(it.harmed, it.requests)),
        classes: [2, 3, 4, 5, 0].map(|class| words::thousands(it.class(class))),
        mean: millis(it.mean_ms()),
        worst_p99: millis(it.worst_p99_ms),
        max: millis(it.max_ms),
    }
}

fn faults(state: &LabState, events: &[Envelope]) -> Vec<(String, String)> {
    let fault = |it: &Envelope| match &it.event {
        Event::FaultChanged(fault) => Some((state.time(it.at_ms), fault.to_string())),
        _ => None,
    };
    events.iter().filter_map(fault).take(MAX_ROWS).collect()
}

fn timeline_row(state: &LabState, it: &crate::state::Entry) -> TimelineRow {
    let (kind, tone) = (it.kind.name(), tone_name(it.tone));
    TimelineRow { time: state.time(it.at_ms), kind, tone, sign: it.tone.sign(), text: it.text.clone() }
}

fn lab_steps(state: &LabState) -> Vec<(String, String, String)> {
    let took = |it: &crate::state::LabStepState| match it.ended_ms {
        Some(end) if end - it.started_ms < 1000 => format!("{} ms", end - it.started_ms),
        Some(end) => words::span(end - it.started_ms),
        None => "not done".to_owned(),
    };
    state.lab_steps.iter().map(|it| (it.step.name.clone(), took(it), it.step.detail.clone())).collect()
}

/// A command line to copy; a name that a shell could take for something else is left to the reader.
fn reproduce(run: &RunStarted) -> String {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || "-_./".contains(it);
    if run.scenario == WATCH {
        return format!("coalmine watch {} -n {}", run.policy.canary, run.policy.namespace);
    }
    let name = if run.scenario.chars().all(is_plain) { run.scenario.as_str() } else { "SCENARIO" };
    let lab = if run.lab == EMBEDDED { String::new() } else { format!(" --lab {}", run.lab) };
    format!("coalmine run {name}{lab} --seed {}", run.seed)
}

fn reproduce_note(state: &LabState) -> &'static str {
    match state.clock() {
        Some(ClockKind::Simulated) => "On the simulated clock the same seed gives the same record, byte for byte.",
        _ => "On the wall clock the same seed gives the same traffic; times differ from run to run.",
    }
}

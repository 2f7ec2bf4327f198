//! `result.json`: the verdict for machines. The field names are a contract: `version` goes up when a meaning changes, and stays
//! when fields are added.

use crate::event::{ClockKind, Envelope, Expectation, Outcome};
use crate::state::{CheckState, LabState, Stopwatch, VersionTraffic};
use serde::Serialize;
use std::collections::BTreeMap;

/// What `format` says.
pub const FORMAT: &str = "coalmine-result";
/// The version that is written.
pub const VERSION: u32 = 1;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RunResult<'a> {
    format: &'a str,
    version: u32,
    scenario: &'a str,
    lab: &'a str,
    clock: Option<ClockKind>,
    seed: u64,
    coalmine: &'a str,
    started: &'a str,
    /// Null when the run has no end (it was killed).
    outcome: Option<Outcome>,
    as_expected: Option<bool>,
    why: &'a str,
    next: &'a str,
    /// Scenario time at the end.
    duration_ms: i64,
    expectations: &'a [Expectation],
    release: Release,
    checks: Vec<CheckResult<'a>>,
    requests: u64,
    harmed: u64,
    versions: BTreeMap<&'a str, VersionResult<'a>>,
}

/// Times are scenario time; null for what did not happen.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Release {
    phase: &'static str,
    phases: Vec<&'static str>,
    strikes: i64,
    threshold: i64,
    highest_weight: i64,
    detected_ms: Option<i64>,
    fault_ms: Option<i64>,
    first_harmed_ms: Option<i64>,
    first_failed_check_ms: Option<i64>,
    rollback_ms: Option<i64>,
    drained_ms: Option<i64>,
    last_harmed_ms: Option<i64>,
    finished_ms: Option<i64>,
    harmed: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CheckResult<'a> {
    name: &'a str,
    unit: &'a str,
    min: Option<f64>,
    max: Option<f64>,
    last: Option<f64>,
    times_broken: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VersionResult<'a> {
    backend: &'a str,
    requests: u64,
    harmed: u64,
    by_status: &'a BTreeMap<u16, u64>,
    mean_ms: f64,
    max_ms: f64,
}

/// The verdict as JSON, indented, with a line break at the end.
#[must_use]
pub fn json(events: &[Envelope]) -> String {
    let state = LabState::of(events);
    let mut text = serde_json::to_string_pretty(&result(&state)).expect("strings and numbers have a JSON form");
    text.push('\n');
    text
}

fn result(state: &LabState) -> RunResult<'_> {
    let (run, ended) = (state.run.as_ref(), state.ended.as_ref());
    RunResult {
        format: FORMAT,
        version: VERSION,
        scenario: run.map_or("", |it| &it.scenario),
        lab: run.map_or("", |it| &it.lab),
        clock: state.clock(),
        seed: run.map_or(0, |it| it.seed),
        coalmine: run.map_or("", |it| &it.version),
        started: run.map_or("", |it| &it.started),
        outcome: ended.map(|it| it.outcome),
        as_expected: ended.map(crate::event::RunEnded::as_expected),
        why: ended.map_or("the record has no end", |it| &it.why),
        next: ended.map_or("", |it| &it.next),
        duration_ms: state.scenario_ms(state.now_ms),
        expectations: ended.map_or(&[], |it| &it.expectations),
        release: release(state),
        checks: state.checks.iter().map(check).collect(),
        requests: state.traffic.requests,
        harmed: state.traffic.harmed,
        versions: state.traffic.versions.iter().map(|(name, it)| (name.as_str(), version(it))).collect(),
    }
}

fn release(state: &LabState) -> Release {
    let (release, watch) = (&state.release, Stopwatch::of(state));
    let time = |at: Option<u64>| at.map(|it| state.scenario_ms(it));
    Release {
        phase: release.phase.name(),
        phases: release.phases.iter().map(|(_, phase)| phase.name()).collect(),
        strikes: release.strikes,
        threshold: state.threshold(),
        highest_weight: state.weights.iter().map(|it| it.live).max().unwrap_or(0),
        detected_ms: time(release.detected_ms),
        fault_ms: time(watch.fault_ms),
        first_harmed_ms: time(watch.first_harmed_ms),
        first_failed_check_ms: time(watch.first_halt_ms),
        rollback_ms: time(watch.decided_ms),
        drained_ms: time(watch.drained_ms),
        last_harmed_ms: time(watch.last_harmed_ms),
        finished_ms: time(release.finished_ms),
        harmed: watch.harmed,
    }
}

fn check(it: &CheckState) -> CheckResult<'_> {
    let check = &it.check;
    let (name, unit) = (check.name.as_str(), check.unit.as_str());
    CheckResult { name, unit, min: check.min, max: check.max, last: it.value(), times_broken: it.violations }
}

fn version(it: &VersionTraffic) -> VersionResult<'_> {
    VersionResult {
        backend: &it.backend,
        requests: it.requests,
        harmed: it.harmed,
        by_status: &it.by_status,
        mean_ms: it.mean_ms(),
        max_ms: it.max_ms,
    }
}

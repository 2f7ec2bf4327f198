//! What is going on, in one sentence, and what would move it on.

use super::told::Told;
use super::words::{self, count, number, span};
use super::{Approval, CheckState, LabState, Stopwatch, Tone};
use crate::event::StepState;
use crate::model::canary::Phase;

/// A live explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// `halted: success rate 71.43 % < 99 %, strike 3 of 5, 2 left; rollback in 45s unless it passes`
    pub text: String,
    /// What happens next, or what a person would do; can be empty.
    pub next: String,
    pub tone: Tone,
}

impl Why {
    fn new(tone: Tone, text: impl Into<String>, next: impl Into<String>) -> Self {
        Self { text: text.into(), next: next.into(), tone }
    }
}

/// Explains the state of the run at its latest event.
#[must_use]
pub fn why(state: &LabState) -> Why {
    if let Some(ended) = &state.ended {
        let tone = if ended.as_expected() { Tone::Good } else { Tone::Bad };
        return Why::new(tone, ended.to_string(), ended.next.clone());
    }
    if state.scenario_started_ms.is_none() {
        return making_the_lab(state);
    }
    match state.release.phase {
        Phase::None => Why::new(Tone::Plain, "the controller has not taken up the canary yet", ""),
        Phase::Initializing => not_ready(state, "initialising the primary"),
        Phase::Initialized => ready(state),
        Phase::Waiting | Phase::Progressing | Phase::WaitingPromotion => analysing(state),
        Phase::Promoting => not_ready(state, "promoting: the primary takes over the new version"),
        Phase::Finalising => {
            Why::new(Tone::Plain, "finalising: all traffic goes back to the primary", next_tick(state))
        }
        Phase::Succeeded => succeeded(state),
        Phase::Failed => failed(state),
        Phase::Terminating | Phase::Terminated => Why::new(Tone::Plain, "the canary is being deleted", ""),
    }
}

fn making_the_lab(state: &LabState) -> Why {
    if let Some(failed) = state.lab_steps.iter().rev().find(|it| it.step.state == StepState::Failed) {
        let text = format!("the lab could not be made: {} failed: {}", failed.step.name, failed.step.detail);
        return Why::new(Tone::Bad, text, "");
    }
    let done = state.lab_steps.iter().filter(|it| it.step.state == StepState::Done).count();
    let open = state.lab_steps.iter().rev().find(|it| it.step.state == StepState::Started);
    let doing = match open {
        Some(open) if open.step.detail.is_empty() => format!(": {}", open.step.name),
        Some(open) => format!(": {} ({})", open.step.name, open.step.detail),
        None => String::new(),
    };
    Why::new(Tone::Plain, format!("making the lab{doing}"), format!("{} done", count(done as u64, "step")))
}

/// Says what pods are waited for, where the controller said so last.
fn not_ready(state: &LabState, doing: &str) -> Why {
    match &state.release.last_told {
        Some((_, Told::NotReady { primary, reason })) => {
            let whose = if *primary { "the primary" } else { "the canary" };
            Why::new(Tone::Warning, format!("{doing}; {whose} is not ready: {reason}"), next_tick(state))
        }
        _ => Why::new(Tone::Plain, doing, next_tick(state)),
    }
}

fn ready(state: &LabState) -> Why {
    let (_, planned) = (state.steps.len(), state.plan_steps);
    let left = planned.saturating_sub(state.steps.last().map_or(0, |(_, it)| it.index + 1));
    let next = if left == 0 { String::new() } else { format!("the scenario has {} to go", count(left as u64, "step")) };
    Why::new(Tone::Good, "ready: all traffic goes to the primary; no new version yet", next)
}

fn analysing(state: &LabState) -> Why {
    let release = &state.release;
    if let Some(Told::Gate { approval, hook }) = &release.gate {
        return at_gate(state, *approval, hook);
    }
    if release.rollback_ms.is_some() {
        return Why::new(Tone::Bad, "rolling back: all traffic goes to the primary", "the canary is scaled down");
    }
    if let Some(reason) = &release.halted {
        return halted(state, reason);
    }
    if matches!(release.last_told, Some((_, Told::NotReady { .. }))) {
        return not_ready(state, "waiting for pods");
    }
    if release.analysis_ms.is_none() {
        return Why::new(Tone::Plain, "a new version was found; its pods are starting", next_tick(state));
    }
    let share = match state.policy().map_or(0, |it| it.max_weight) {
        0 => String::new(),
        max => format!(": weight {} % of {max} %", state.live_weight()),
    };
    let checks = state.checks.iter().filter(|it| it.value().is_some()).map(check_words);
    let checks = checks.take(2).fold(String::new(), |text, it| format!("{text}; {it}"));
    Why::new(Tone::Good, format!("advancing{share}{checks}"), next_tick(state))
}

/// `success rate 99.80 % ≥ 99 %`
fn check_words(check: &CheckState) -> String {
    let unit = &check.check.unit;
    let text = words::against(&check.check, check.value());
    let text = match text.split_once(' ') {
        Some((value, limit)) => format!("{} {}", words::with_unit(value, unit), words::with_unit(limit, unit)),
        None => words::with_unit(&text, unit),
    };
    format!("{} {text}", check.label())
}

fn at_gate(state: &LabState, approval: Approval, hook: &str) -> Why {
    let since = state.release.last_told.as_ref().map_or(state.now_ms, |(at, _)| *at);
    let strikes = match (state.release.strikes, state.threshold()) {
        (0, _) => String::new(),
        (used, threshold) => format!(", {used} of {threshold} strikes"),
    };
    let waited = span(state.now_ms.saturating_sub(since));
    let text = format!("waiting for approval of {} by webhook {hook}{strikes}; {waited} so far", approval.words());
    Why::new(Tone::Warning, text, "open the gate to go on")
}

fn halted(state: &LabState, reason: &str) -> Why {
    let (used, threshold) = (state.release.strikes, state.threshold());
    let left = (threshold - used).max(0);
    let reason = spaced_units(reason);
    if used == 0 {
        return Why::new(Tone::Warning, format!("halted: {reason}"), next_tick(state));
    }
    let text = format!("halted: {reason}, strike {used} of {threshold}, {left} left; {}", rollback_time(state, left));
    let next = if state.release.halted.as_deref().is_some_and(|it| it.starts_with("no values found")) {
        "does traffic reach the canary, and is the metric's window at least two scrapes long?".to_owned()
    } else {
        next_tick(state)
    };
    Why::new(Tone::Warning, text, next)
}

/// The controller rolls back at the first tick that finds the count full, which is one tick after the last strike.
fn rollback_time(state: &LabState, left: i64) -> String {
    let ticks = left as u64 + 1;
    let interval_ms = state.policy().map_or(0, |it| it.interval_ms);
    let last_ms = state.release.last_strike_ms.unwrap_or(state.now_ms);
    let remaining = (last_ms + ticks * interval_ms).saturating_sub(state.now_ms);
    match (left, remaining) {
        (_, 0) => "rollback is due".to_owned(),
        (0, _) => format!("rollback in {}", span(remaining)),
        _ => format!("rollback in {} unless it passes", span(remaining)),
    }
}

/// `71.43% < 99%` as people write it: `71.43 % < 99 %`.
fn spaced_units(text: &str) -> String {
    text.replace('%', " %")
}

fn next_tick(state: &LabState) -> String {
    let interval_ms = state.policy().map_or(0, |it| it.interval_ms);
    let Some((last_ms, _)) = state.release.last_told else { return String::new() };
    if interval_ms == 0 {
        return String::new();
    }
    // Ticks can pass without a word, so the next one is the next multiple.
    let since = state.now_ms.saturating_sub(last_ms);
    format!("next check in {}", span((interval_ms - since % interval_ms).div_ceil(1000) * 1000))
}

fn succeeded(state: &LabState) -> Why {
    let took = match (state.release.detected_ms, state.release.finished_ms) {
        (Some(from), Some(to)) => format!(" {} after it was found", span(to.saturating_sub(from))),
        _ => String::new(),
    };
    let text = format!("promoted{took}: the primary runs the new version");
    Why::new(Tone::Good, text, harm(state).unwrap_or_else(|| "nobody was harmed".to_owned()))
}

fn failed(state: &LabState) -> Why {
    let (used, threshold) = (state.release.strikes, state.threshold());
    let at = state.release.rollback_ms.map_or(String::new(), |at| format!(" at {}", state.time(at)));
    let reason = state.release.halted.as_deref().map_or(String::new(), |it| format!(": {}", spaced_units(it)));
    let strikes = if used == 0 { String::new() } else { format!(", {used} of {threshold} strikes") };
    let text = format!("rolled back{at}{reason}{strikes}; all traffic goes to the primary");
    Why::new(Tone::Bad, text, harm(state).unwrap_or_default())
}

fn harm(state: &LabState) -> Option<String> {
    let requests = state.traffic.requests;
    let sentence = Stopwatch::of(state).sentence()?;
    let share = 100.0 * state.harmed_in_release() as f64 / requests.max(1) as f64;
    Some(format!("{sentence} ({} % of all requests)", number(share, 2)))
}

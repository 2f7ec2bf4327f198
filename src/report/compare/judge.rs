//! What is alike, what differs, and what differed first.

use super::facts::Facts;
use super::sides::{MAX_EVENTS, Side, lay};
use crate::event::Policy;
use crate::model::canary::Phase;
use crate::state::words::{signed_span, span};
use serde::Serialize;
use std::time::Duration;

/// Two runs, compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// Whether everything that is judged is the same.
    pub alike: bool,
    /// In words: what differed first; empty where nothing did.
    pub first: String,
    /// How people call the two runs.
    pub left: String,
    pub right: String,
    /// How much earlier or later an event may come, milliseconds.
    pub tolerance_ms: u64,
    pub aspects: Vec<Aspect>,
    /// Flagger's events, side by side.
    pub events: Vec<Line>,
}

/// One thing that runs have in common, or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Aspect {
    pub name: &'static str,
    pub left: String,
    pub right: String,
    pub mark: Mark,
}

/// How two values stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Mark {
    Same,
    Different,
    /// Shown and not judged.
    Shown,
}

/// One event, or a pair of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    pub mark: Mark,
    /// Milliseconds since the detection of the new revision; none where this run has no such event.
    pub left_ms: Option<i64>,
    pub right_ms: Option<i64>,
    /// The text of the run that has it; of the left one where both do.
    pub text: String,
}

pub(super) fn judge(left: &Facts, right: &Facts, tolerance: Option<Duration>) -> Comparison {
    let interval_ms = left.policy().map_or(0, |it| it.interval_ms);
    let tolerance_ms = tolerance.map_or(interval_ms, |it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX));
    let aspects = aspects(left, right);
    let (events, first_event) = events(left, right, tolerance_ms, interval_ms);
    let first_aspect = |name: &str| {
        let found = aspects.iter().find(|it| it.name == name && it.mark == Mark::Different)?;
        Some(format!("{} differs: {} here, {} there", found.name, found.left, found.right))
    };
    // A policy comes before a run, an event before what it leads to.
    let order = ["scenario", "policy", "", "phases", "weights", "strikes", "verdict"];
    let first = order.iter().find_map(|it| if it.is_empty() { first_event.clone() } else { first_aspect(it) });
    let (left, right) = (name(left), name(right));
    let first = first.unwrap_or_default();
    Comparison { alike: first.is_empty(), first, left, right, tolerance_ms, aspects, events }
}

/// `embedded, simulated clock`
fn name(facts: &Facts) -> String {
    facts.run.as_ref().map_or_else(|| "a run".to_owned(), |it| format!("{}, {}", it.lab, it.clock.words()))
}

fn aspects(left: &Facts, right: &Facts) -> Vec<Aspect> {
    let judged = |name, of: fn(&Facts) -> String| {
        let (left, right) = (of(left), of(right));
        let mark = if left == right { Mark::Same } else { Mark::Different };
        Aspect { name, left, right, mark }
    };
    let shown = |name, of: fn(&Facts) -> String| Aspect { name, left: of(left), right: of(right), mark: Mark::Shown };
    vec![
        judged("scenario", |it| it.run.as_ref().map(|it| it.scenario.clone()).unwrap_or_default()),
        judged("policy", |it| it.policy().map(policy).unwrap_or_default()),
        judged("verdict", Facts::verdict),
        judged("phases", |it| listed(it.phases.iter().map(|it| Phase::name(*it)))),
        judged("weights", |it| listed(it.weights.iter())),
        judged("strikes", |it| it.strikes.to_string()),
        shown("waits for pods", |it| it.events.last().map_or(0, |it| it.waits).to_string()),
        shown("decided after", |it| it.decided_ms.map_or("-".to_owned(), |at| signed_span(it.since(at)))),
        shown("harmed", Facts::harm),
        shown("as expected", |it| {
            it.ended.as_ref().map_or("-", |it| if it.as_expected() { "yes" } else { "no" }).to_owned()
        }),
    ]
}

fn listed<T: ToString>(values: impl Iterator<Item = T>) -> String {
    values.map(|it| it.to_string()).collect::<Vec<_>>().join(", ")
}

/// What decides, in a few words.
fn policy(it: &Policy) -> String {
    let checks = it.checks.iter().map(|check| {
        let limit = |sign: &str, value: Option<f64>| value.map(|it| format!(" {sign} {it}")).unwrap_or_default();
        format!("{}{}{}", check.name, limit(">=", check.min), limit("<=", check.max))
    });
    let checks = listed(checks);
    let weights =
        if it.weights.is_empty() { format!("{} iterations", it.iterations) } else { listed(it.weights.iter()) };
    format!(
        "{} {}, {weights}, every {}, {} strikes, {checks}",
        it.provider,
        it.strategy,
        span(it.interval_ms),
        it.threshold
    )
}

/// The events side by side, and the first difference among them in words.
fn events(left: &Facts, right: &Facts, tolerance_ms: u64, interval_ms: u64) -> (Vec<Line>, Option<String>) {
    let mut first = None;
    let mut lines = Vec::new();
    for side in lay(&left.events, &right.events) {
        let line = match side {
            Side::Both(i, j) => {
                let (one, other) = (&left.events[i], &right.events[j]);
                let (left_ms, right_ms) = (left.since(one.at_ms), right.since(other.at_ms));
                let allowed = tolerance_ms.saturating_add(interval_ms * one.waits.abs_diff(other.waits));
                let mark = if left_ms.abs_diff(right_ms) <= allowed { Mark::Same } else { Mark::Different };
                Line { mark, left_ms: Some(left_ms), right_ms: Some(right_ms), text: one.text.clone() }
            }
            Side::Left(i) => alone(Some(left.since(left.events[i].at_ms)), None, &left.events[i].text),
            Side::Right(j) => alone(None, Some(right.since(right.events[j].at_ms)), &right.events[j].text),
        };
        if line.mark == Mark::Different {
            first.get_or_insert_with(|| in_words(&line));
        }
        lines.push(line);
    }
    if left.events.len().max(right.events.len()) > MAX_EVENTS && left.events.len() != right.events.len() {
        let more = format!(
            "the runs have {} and {} events, and only {MAX_EVENTS} are laid side by side",
            left.events.len(),
            right.events.len()
        );
        first.get_or_insert(more);
    }
    (lines, first)
}

fn alone(left_ms: Option<i64>, right_ms: Option<i64>, text: &str) -> Line {
    Line { mark: Mark::Different, left_ms, right_ms, text: text.to_owned() }
}

fn in_words(line: &Line) -> String {
    let text = &line.text;
    match (line.left_ms, line.right_ms) {
        (Some(left), Some(right)) => {
            format!("`{text}` came at {} here and at {} there", signed_span(left), signed_span(right))
        }
        (Some(left), None) => format!("`{text}`, at {} here, is not seen there at this place", signed_span(left)),
        (None, right) => {
            format!("`{text}`, at {} there, is not seen here at this place", signed_span(right.unwrap_or_default()))
        }
    }
}

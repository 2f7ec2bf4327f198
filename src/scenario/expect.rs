//! Expectations against what happened, from the events alone.

use super::facts::{Facts, collect, matches};
use super::plan::{Count, Expect};
use super::verdict;
use crate::event::{Envelope, Expectation};
use crate::model::canary::Phase;
use crate::model::duration::go;
use std::time::Duration;

/// One line per expectation, in the order of [`Expect`]'s fields. Needs the whole run, but for its `RunEnded`.
#[must_use]
pub fn judge(expect: &Expect, events: &[Envelope]) -> Vec<Expectation> {
    let facts = collect(events);
    let mut lines = Vec::new();
    let mut add = |text: String, met: bool, seen: String| lines.push(Expectation { text, met, seen });
    if let Some(verdict) = expect.verdict {
        let outcome = verdict::outcome(&facts);
        add(format!("verdict is {}", verdict.words()), outcome == verdict, outcome.words().to_owned());
    }
    if !expect.phases.is_empty() {
        let (met, seen) = in_order(&expect.phases, &facts);
        add(format!("phases are {} in this order", names(&expect.phases)), met, seen);
    }
    if let Some(limit) = expect.weight_never_above {
        let met = facts.top_weight <= limit;
        add(format!("weight is never above {limit}"), met, format!("highest was {}", facts.top_weight));
    }
    if let Some(limit) = expect.promoted_within {
        let (met, seen) = within(&facts, limit, Phase::Succeeded);
        add(format!("promoted within {} of detection", go(limit)), met, seen);
    }
    if let Some(limit) = expect.rolled_back_within {
        let (met, seen) = within(&facts, limit, Phase::Failed);
        add(format!("rolled back within {} of detection", go(limit)), met, seen);
    }
    if let Some(limit) = expect.harmed_at_most {
        let seen = format!("{} of {}", facts.harmed, facts.requests);
        add(format!("at most {limit} requests are harmed"), facts.harmed <= limit, seen);
    }
    for pattern in &expect.events {
        let seen = find(&facts, pattern);
        add(format!("event `{pattern}` is seen"), seen.is_some(), seen.unwrap_or_else(|| "not seen".to_owned()));
    }
    for pattern in &expect.no_events {
        let seen = find(&facts, pattern);
        add(format!("event `{pattern}` is not seen"), seen.is_none(), seen.unwrap_or_else(|| "not seen".to_owned()));
    }
    if let Some(count) = expect.failed_checks {
        let met = (count.at_least..=count.at_most).contains(&facts.failed_checks);
        add(format!("failed checks are {}", bounds(count)), met, facts.failed_checks.to_string());
    }
    for (index, text) in &expect.steps_taken {
        let met = facts.taken.contains(index);
        let seen = if met { "taken" } else { "not taken: what it waits for did not come in its time" };
        add(format!("step {} ({text}) is taken", index + 1), met, seen.to_owned());
    }
    lines
}

fn names(phases: &[Phase]) -> String {
    phases.iter().map(|it| it.name()).collect::<Vec<_>>().join(", ")
}

fn in_order(wanted: &[Phase], facts: &Facts) -> (bool, String) {
    let seen: Vec<Phase> = facts.phases.iter().map(|(_, phase)| *phase).collect();
    let mut rest = seen.iter();
    (wanted.iter().all(|phase| rest.any(|it| it == phase)), names(&seen))
}

fn within(facts: &Facts, limit: Duration, phase: Phase) -> (bool, String) {
    match facts.last.took(phase) {
        Some(took) => (took <= limit, go(whole_seconds(took))),
        None if phase == Phase::Succeeded => (false, "not promoted".to_owned()),
        None => (false, "not rolled back".to_owned()),
    }
}

/// Rounded to seconds: ticks are seconds apart.
pub(super) fn whole_seconds(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs_f64().round() as u64)
}

fn find(facts: &Facts, pattern: &str) -> Option<String> {
    let (at, text) = facts.reports.iter().find(|(_, text)| matches(pattern, text))?;
    let since = whole_seconds(at.saturating_sub(facts.zero));
    Some(if text == pattern { format!("at {}", go(since)) } else { format!("at {}: {text}", go(since)) })
}

fn bounds(count: Count) -> String {
    match (count.at_least, count.at_most) {
        (low, high) if low == high => low.to_string(),
        (0, high) => format!("at most {high}"),
        (low, i64::MAX) => format!("at least {low}"),
        (low, high) => format!("{low} to {high}"),
    }
}

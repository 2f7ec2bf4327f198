//! How a run ended, why, and what to do next: in words, from the events alone.

use super::expect::whole_seconds;
use super::facts::{Facts, collect};
use crate::event::{Envelope, Outcome};
use crate::model::canary::Phase;
use crate::model::duration::go;

/// The end of a run in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub outcome: Outcome,
    /// One sentence: what happened, with value, limit, strikes and harm. Times count from the detection of the new
    /// revision, the event `New revision detected! Scaling up …`.
    pub why: String,
    /// One sentence: what a person would do next.
    pub next: String,
}

/// Reads the whole run (but for its `RunEnded`).
#[must_use]
pub fn explain(events: &[Envelope]) -> Verdict {
    let facts = collect(events);
    let outcome = outcome(&facts);
    let (why, next) = match outcome {
        Outcome::Promoted => promoted(&facts),
        Outcome::RolledBack => rolled_back(&facts),
        Outcome::Undecided => undecided(&facts),
        Outcome::Interrupted => {
            let why = format!("a person ended the run {}", state(&facts));
            (why, "run it again to see how the release is decided".to_owned())
        }
    };
    Verdict { outcome, why, next }
}

pub(super) fn outcome(facts: &Facts) -> Outcome {
    match facts.last.decided {
        Some((_, Phase::Succeeded)) => Outcome::Promoted,
        Some(_) => Outcome::RolledBack,
        None if facts.quit => Outcome::Interrupted,
        None => Outcome::Undecided,
    }
}

fn version(facts: &Facts) -> &str {
    if facts.version.is_empty() { "the new version" } else { &facts.version }
}

/// ` at 1m45s`, counted from the detection.
fn after_detection(facts: &Facts, phase: Phase) -> String {
    facts.last.took(phase).map(|took| format!(" at {}", go(whole_seconds(took)))).unwrap_or_default()
}

fn promoted(facts: &Facts) -> (String, String) {
    let skipped = facts.last.last_with("Promotion completed! Canary analysis was skipped *").is_some();
    let checks = if skipped {
        "without analysis".to_owned()
    } else if facts.last.strikes > 0 {
        format!("{}, and all later checks passed", strikes(facts))
    } else {
        format!("every check passed{}", weights(facts))
    };
    let why = format!("promoted{}: {checks}; {}", after_detection(facts, Phase::Succeeded), harm(facts));
    let next = format!("nothing to do: {} runs in {}-primary", version(facts), facts.policy.target);
    (why, next)
}

/// ` at weights 10, 20, 30`
fn weights(facts: &Facts) -> String {
    let list: Vec<String> = facts.policy.weights.iter().map(ToString::to_string).collect();
    match list.as_slice() {
        [] if facts.policy.iterations > 0 => format!(" in {} iterations", facts.policy.iterations),
        [] => String::new(),
        [one] => format!(" at weight {one}"),
        all => format!(" at weights {}", all.join(", ")),
    }
}

/// `5 of 5 strikes`
fn strikes(facts: &Facts) -> String {
    format!("{} of {} strikes", facts.last.strikes.min(facts.policy.threshold), facts.policy.threshold)
}

/// `312 requests harmed in 75 s; from fault to last harmed request 76 s`
fn harm(facts: &Facts) -> String {
    let Some((first, last)) = facts.harm else { return "no request harmed".to_owned() };
    // Parts of a second are dropped, as in every view.
    let seconds = |from: std::time::Duration| last.saturating_sub(from).as_secs();
    let noun = if facts.harmed == 1 { "request" } else { "requests" };
    let text = format!("{} {noun} harmed in {} s", facts.harmed, seconds(first));
    match facts.fault.filter(|fault| *fault <= last) {
        Some(fault) => format!("{text}; from fault to last harmed request {} s", seconds(fault)),
        None => text,
    }
}

fn rolled_back(facts: &Facts) -> (String, String) {
    let (cause, next) = rollback_cause(facts);
    let why = format!("rolled back{}: {cause}; {}", after_detection(facts, Phase::Failed), harm(facts));
    (why, next)
}

fn rollback_cause(facts: &Facts) -> (String, String) {
    let run = &facts.last;
    if let Some(text) = run.last_with("Promotion of * failed, primary not ready: *") {
        let reason = text.split("not ready: ").nth(1).unwrap_or_default();
        let cause = format!(
            "the primary did not become ready while it was promoted ({reason}), so all requests go to the canary"
        );
        let next =
            format!("repair {}-primary before the next release, or promote with skipAnalysis", facts.policy.target);
        return (cause, next);
    }
    if run.last_with("Rolling back * manual webhook invoked").is_some() {
        let cause = format!("by hand, through the rollback webhook, with {}", strikes(facts));
        return (cause, again(facts, "correct what made you roll back"));
    }
    if run.last_with("Rolling back * failed checks threshold reached *").is_some() || run.strikes > 0 {
        let (cause, advice) = last_halt(facts);
        return (format!("{cause}, {}", strikes(facts)), again(facts, &advice));
    }
    if let Some(text) = run.last_with("canary deployment * not ready: *") {
        let reason = text.split("not ready: ").nth(1).unwrap_or_default();
        let cause =
            format!("the canary did not become ready within its progress deadline ({reason}{})", pod_state(facts));
        return (cause, again(facts, "look at the canary's pods: kubectl describe shows why"));
    }
    ("Flagger gave no reason".to_owned(), again(facts, "read Flagger's log"))
}

/// Flagger starts no run for a version that it has seen fail.
fn again(facts: &Facts, advice: &str) -> String {
    format!("{advice}, then release another version; {} unchanged is not tried again", version(facts))
}

fn pod_state(facts: &Facts) -> String {
    facts.unready.iter().next().map(|(name, state)| format!("; {name} is {state}")).unwrap_or_default()
}

/// The last failed check in words, and what to do about it.
fn last_halt(facts: &Facts) -> (String, String) {
    let halt = facts.last.reports.iter().rev().find(|text| is_failed_check(text));
    let Some(halt) = halt else { return ("failed checks".to_owned(), "read Flagger's log".to_owned()) };
    if let Some(metric) = no_values(halt) {
        let cause = format!(
            "no values found for {metric}: no request reached the canary in the metric's window, or none that counts was answered yet"
        );
        let advice = "send requests that reach the canary, and let the window hold two scrapes (10 s) or more";
        return (cause, advice.to_owned());
    }
    let reason = halt.split_once(" advancement ").map_or(halt.as_str(), |(_, reason)| reason);
    if let Some(check) = reason.strip_prefix("external check ").or_else(|| reason.strip_prefix("pre-rollout check ")) {
        return (format!("check {check}"), "run that check by hand and correct what it finds".to_owned());
    }
    let advice = if reason.starts_with("success rate") {
        format!("find the 5xx answers in the logs of {}", version(facts))
    } else if reason.starts_with("request duration") {
        format!("find what made {} slow", version(facts))
    } else {
        format!("find what moved that metric in {}", version(facts))
    };
    (reason.replace('%', " %"), advice)
}

/// Whether an event tells of a failed check (gates and readiness are none).
fn is_failed_check(text: &str) -> bool {
    let halts = text.starts_with("Halt ") && !text.contains(" advancement waiting for ");
    halts || text.starts_with("Prometheus query failed") || text.starts_with("Metric ")
}

/// The metric of a `no values found` event.
fn no_values(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("no values found for ")?;
    let rest = rest.split_once("metric: ").or_else(|| rest.split_once(" metric ")).map_or(rest, |(_, rest)| rest);
    Some(rest.split([' ', ':']).next().unwrap_or(rest))
}

fn undecided(facts: &Facts) -> (String, String) {
    let run = &facts.last;
    let gate = |pattern: &str| run.last_with(pattern).and_then(|text| text.rsplit(' ').next()).map(str::to_owned);
    if facts.phase() == Phase::Waiting {
        let name = gate("Halt * advancement waiting for approval *").unwrap_or_else(|| "confirm-rollout".to_owned());
        return waiting(facts, &name, "before it begins");
    }
    if facts.phase() == Phase::WaitingPromotion {
        let name = gate("Halt * waiting for promotion approval *").unwrap_or_else(|| "confirm-promotion".to_owned());
        return waiting(facts, &name, &format!("at weight {}", facts.weight));
    }
    if facts.version.is_empty() {
        let next = "add a release step, or a later `timeLimit`".to_owned();
        return ("nothing was released".to_owned(), next);
    }
    if run.detected.is_none() {
        let why = format!("{} was released and Flagger detected no new revision", version(facts));
        return (why, "change the pod template: replicas and labels of the Deployment make no new revision".to_owned());
    }
    let last = run.reports.iter().rev().find(|text| !text.starts_with("Rollback hook "));
    match last {
        Some(text) if text.contains("waiting for traffic increase approval") => {
            let name = text.rsplit(' ').next().unwrap_or_default();
            waiting(facts, name, &format!("at weight {}", facts.weight))
        }
        Some(text) if text.contains(" not ready: ") => {
            let why = format!("the release was still not ready {}: {text}{}", state(facts), pod_state(facts));
            (
                why,
                "look at the pods; with maxUnavailable under the replicas, Flagger's progress deadline ends this"
                    .to_owned(),
            )
        }
        _ => {
            let why = format!("the time was up {}, with {}; {}", state(facts), strikes(facts), harm(facts));
            (why, "write a later `timeLimit`, and look whether the step weights stall".to_owned())
        }
    }
}

fn waiting(facts: &Facts, gate: &str, place: &str) -> (String, String) {
    let why = format!("{} waits at gate {gate} {place}; {}", version(facts), harm(facts));
    (why, "open the gate, with a step `- openGate` or by hand, or roll back".to_owned())
}

/// `in phase Progressing at weight 10, 1m0s after detection`
fn state(facts: &Facts) -> String {
    let phase = match facts.phase() {
        Phase::None => "before the Canary had a phase".to_owned(),
        phase => format!("in phase {phase} at weight {}", facts.weight),
    };
    match facts.last.detected {
        Some(at) => format!("{phase}, {} after detection", go(whole_seconds(facts.end.saturating_sub(at)))),
        None => phase,
    }
}

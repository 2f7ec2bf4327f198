//! A Canary's policy as numbers: which weights it goes through, how long a run takes at best.

use crate::event::{Check, Policy};
use crate::model::canary::{Analysis, Canary, Metric};
use crate::model::duration;
use std::time::Duration;

/// Flagger's default window of built-in and inline checks.
pub(super) const DEFAULT_WINDOW: Duration = Duration::from_secs(60);
/// A list of weights that is longer than this has gone wrong (a step of 1 to 100 has 100).
const MAX_WEIGHTS: usize = 100;

/// How Flagger decides about a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strategy {
    Canary,
    BlueGreen,
    AbTesting,
}

impl Strategy {
    /// With the fix-up that Flagger makes for provider `kubernetes`, which has no weights and no header rules.
    pub fn of(canary: &Canary) -> Self {
        let analysis = &canary.spec.analysis;
        match (canary.spec.provider.as_str(), analysis.iterations > 0, analysis.matches.is_empty()) {
            ("kubernetes", _, _) | (_, true, true) => Self::BlueGreen,
            (_, true, false) => Self::AbTesting,
            _ => Self::Canary,
        }
    }

    /// Flagger's own words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Canary => "canary",
            Self::BlueGreen => "blue-green",
            Self::AbTesting => "ab-testing",
        }
    }
}

/// Iterations in force.
pub(super) fn iterations(canary: &Canary) -> i64 {
    let given = canary.spec.analysis.iterations;
    if canary.spec.provider == "kubernetes" && given < 1 { 10 } else { given }
}

/// The weight at which the analysis ends (flagger.md 3.7).
pub(super) fn max_weight(analysis: &Analysis) -> i64 {
    match analysis.step_weights.last() {
        Some(last) => (*last).min(100),
        None if analysis.max_weight > 0 => analysis.max_weight,
        None => 100,
    }
}

/// The live weights in order, as Flagger takes them (they can pass `maxWeight`: 20, 40, 60 for step 20 and max 50).
/// A policy that sticks ends where it sticks.
pub(super) fn weights(analysis: &Analysis) -> Vec<i64> {
    let max = max_weight(analysis);
    let (mut weights, mut weight) = (Vec::new(), 0);
    while weight < max && weights.len() < MAX_WEIGHTS {
        let step = step_from(analysis, weight);
        if step <= 0 {
            break;
        }
        weight = (weight + step).min(100);
        weights.push(weight);
    }
    weights
}

fn step_from(analysis: &Analysis, weight: i64) -> i64 {
    let list = &analysis.step_weights;
    if analysis.step_weight > 0 || list.is_empty() {
        return analysis.step_weight;
    }
    let left = 100 - weight;
    if left == 0 {
        return 1;
    }
    if weight == 0 {
        return left.min(list[0]);
    }
    match list.iter().position(|it| *it == weight) {
        Some(i) if i + 1 < list.len() => left.min(list[i + 1] - weight),
        _ => left,
    }
}

/// The least number of intervals from the detection of the new revision to Succeeded (flagger.md 9.1).
pub(super) fn intervals_to_promotion(canary: &Canary) -> i64 {
    let spec = &canary.spec;
    if spec.skip_analysis {
        return 1;
    }
    let analysis = &spec.analysis;
    match Strategy::of(canary) {
        Strategy::BlueGreen => iterations(canary) + 4,
        Strategy::AbTesting => analysis.iterations + 3,
        Strategy::Canary => {
            let weights = weights(analysis);
            let top = weights.last().copied().unwrap_or_default();
            let promotion = analysis.step_weight_promotion;
            let routing = if promotion > 0 { (top + promotion - 1) / promotion } else { 1 };
            weights.len() as i64 + 2 + routing.max(1)
        }
    }
}

/// The window of a metric's query.
pub(super) fn window(metric: &Metric) -> Duration {
    duration::parse_go(&metric.interval).unwrap_or(DEFAULT_WINDOW)
}

/// The policy in words and limits, for views and reports.
pub(super) fn describe(canary: &Canary) -> Policy {
    let analysis = &canary.spec.analysis;
    let strategy = Strategy::of(canary);
    let weighted = strategy == Strategy::Canary;
    let weights = if weighted { weights(analysis) } else { Vec::new() };
    Policy {
        canary: canary.name().to_owned(),
        namespace: canary.namespace().to_owned(),
        target: canary.spec.target_ref.name.clone(),
        provider: canary.spec.provider.clone(),
        strategy: strategy.name().to_owned(),
        interval_ms: analysis.effective_interval().as_millis() as u64,
        threshold: analysis.effective_threshold(),
        max_weight: if weighted { max_weight(analysis) } else { 0 },
        weights,
        iterations: if weighted { 0 } else { iterations(canary) },
        checks: analysis.metrics.iter().map(check).collect(),
    }
}

/// The limits as Flagger applies them: a range wins over the deprecated threshold, which is a minimum for the success
/// rate and a maximum for everything else (flagger.md 4.5).
fn check(metric: &Metric) -> Check {
    let (min, max) = limits(metric);
    let builtin = metric.template_ref.is_none() && metric.query.is_empty();
    let unit = match metric.name.as_str() {
        "request-success-rate" if builtin => "%",
        "request-duration" if builtin => "ms",
        _ => "",
    };
    let window_ms = window(metric).as_millis() as u64;
    Check { name: metric.name.clone(), unit: unit.to_owned(), min, max, window_ms }
}

/// Minimum and maximum of a metric.
pub(super) fn limits(metric: &Metric) -> (Option<f64>, Option<f64>) {
    match &metric.threshold_range {
        Some(range) => (range.min, range.max),
        None if metric.name == "request-success-rate" => (Some(metric.threshold.unwrap_or_default()), None),
        None => (None, Some(metric.threshold.unwrap_or_default())),
    }
}

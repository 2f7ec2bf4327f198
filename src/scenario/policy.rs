//! A Canary's policy as numbers: which weights it goes through, how long a run takes at best.

use crate::canary::Strategy;
use crate::canary::strategy::{self, max_weight};
use crate::event::{Check, Policy};
use crate::model::canary::{Analysis, Canary, Metric};
use crate::model::duration;
use std::time::Duration;

/// Flagger's default window of built-in and inline checks.
pub(super) const DEFAULT_WINDOW: Duration = Duration::from_secs(60);

/// How Flagger decides about releases of this Canary, with the fix-up that it makes for provider `kubernetes`, which has
/// neither weights nor header rules.
pub(super) fn strategy_of(canary: &Canary) -> Strategy {
    if canary.spec.provider == "kubernetes" { Strategy::BlueGreen } else { strategy::of(canary) }
}

/// Iterations in force.
pub(super) fn iterations(canary: &Canary) -> i64 {
    let given = canary.spec.analysis.iterations;
    if canary.spec.provider == "kubernetes" && given < 1 { 10 } else { given }
}

/// The live weights in order, as Flagger takes them (they can pass `maxWeight`: 20, 40, 60 for step 20 and max 50).
/// A policy that sticks ends where it sticks.
pub(super) fn weights(analysis: &Analysis) -> Vec<i64> {
    strategy::weights(analysis).taken
}

/// The least number of intervals from the detection of the new revision to Succeeded (flagger.md 9.1).
pub(super) fn intervals_to_promotion(canary: &Canary) -> i64 {
    let spec = &canary.spec;
    if spec.skip_analysis {
        return 1;
    }
    let analysis = &spec.analysis;
    match strategy_of(canary) {
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
    let strategy = strategy_of(canary);
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

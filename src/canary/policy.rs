//! A Canary's policy in the words of views and reports, and the queries behind its checks.

use super::ask::{MetricServer, Settings, Strategy};
use super::check::{Bound, Limits};
use super::query::{self, Observer};
use super::strategy;
use crate::event;
use crate::model::canary::{Canary, Metric};
use crate::model::duration;
use std::time::Duration;

/// Where a window cannot be read: what it is where it is not said.
const DEFAULT_WINDOW: Duration = Duration::from_mins(1);

/// What the policy asks of a release.
#[must_use]
pub fn policy(canary: &Canary, settings: &Settings) -> event::Policy {
    let analysis = &canary.spec.analysis;
    // Without a router every release is blue/green, whatever the policy says.
    let routed = provider(canary, settings) != "kubernetes";
    let strategy = if routed { strategy::of(canary) } else { Strategy::BlueGreen };
    let weighted = strategy == Strategy::Canary;
    let iterations = match analysis.iterations {
        given if given > 0 || routed => given,
        _ => strategy::KUBERNETES_ITERATIONS,
    };
    event::Policy {
        canary: canary.name().to_owned(),
        namespace: canary.namespace().to_owned(),
        target: canary.spec.target_ref.name.clone(),
        provider: provider(canary, settings).to_owned(),
        strategy: strategy.name().to_owned(),
        interval_ms: analysis.effective_interval().as_millis() as u64,
        threshold: analysis.effective_threshold(),
        max_weight: if weighted { strategy::max_weight(analysis) } else { 0 },
        weights: if weighted { strategy::weights(analysis).taken } else { Vec::new() },
        iterations,
        checks: analysis.metrics.iter().map(check).collect(),
    }
}

/// `spec.provider`, or the controller's own.
#[must_use]
pub fn provider<'a>(canary: &'a Canary, settings: &'a Settings) -> &'a str {
    let own = &canary.spec.provider;
    if own.is_empty() { &settings.mesh_provider } else { own }
}

fn check(metric: &Metric) -> event::Check {
    // What a template or a query of its own measures has a unit that nobody knows.
    let builtin = metric.template_ref.is_none() && metric.query.is_empty();
    let unit = match metric.name.as_str() {
        query::SUCCESS_RATE if builtin => "%",
        query::DURATION if builtin => "ms",
        _ => "",
    };
    let limits = limits(metric);
    event::Check {
        name: metric.name.clone(),
        unit: unit.to_owned(),
        min: limits.min,
        max: limits.max,
        window_ms: window(metric).as_millis() as u64,
    }
}

/// The limits as Flagger applies them: a plain threshold is a minimum for the success rate and a maximum for everything else.
#[must_use]
pub fn limits(metric: &Metric) -> Limits {
    Limits::of(metric, if metric.name == query::SUCCESS_RATE { Bound::Below } else { Bound::Above })
}

/// The window of a metric's query.
#[must_use]
pub fn window(metric: &Metric) -> Duration {
    duration::parse_go(query::window(metric)).unwrap_or(DEFAULT_WINDOW)
}

/// How to measure one check of the policy as the judge would: for views, between ticks.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    /// The check's name.
    pub check: String,
    pub server: MetricServer,
    pub query: String,
    /// The answer times this is in the check's unit.
    pub scale: f64,
}

/// The built-in and inline checks with their queries. Template checks are rendered with [`query::of_template`].
#[must_use]
pub fn measures(canary: &Canary, settings: &Settings) -> Vec<Measure> {
    let observer = Observer::of(provider(canary, settings));
    let one = |metric: &Metric| {
        let builtin = observer.and_then(|it| it.query(&metric.name, canary, query::window(metric)));
        let inline = || (!metric.query.is_empty()).then(|| query::collapse(&metric.query));
        let in_ms = metric.name == query::DURATION && builtin.is_some();
        Some(Measure {
            check: metric.name.clone(),
            server: query::server(canary, settings),
            query: builtin.or_else(inline)?,
            scale: observer.filter(|_| in_ms).map_or(1.0, Observer::duration_unit_ms),
        })
    };
    canary.spec.analysis.metrics.iter().filter_map(one).collect()
}

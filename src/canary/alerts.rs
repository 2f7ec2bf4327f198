//! What alerts say about the policy, and whom they reach.

use super::ask::{Alert, Settings, Severity};
use super::strategy;
use crate::model::canary::{Canary, TemplateRef};

/// The fields that describe target and policy.
#[must_use]
pub fn metadata(canary: &Canary, settings: &Settings) -> Vec<(String, String)> {
    let analysis = &canary.spec.analysis;
    let target = &canary.spec.target_ref;
    let deadline = deadline_seconds(canary);
    let mut fields = Vec::new();
    let mut add = |name: &str, value: String| fields.push((name.to_owned(), value));
    if !settings.cluster_name.is_empty() {
        add("Cluster", settings.cluster_name.clone());
    }
    add("Target", format!("{}/{}.{}", target.kind, target.name, canary.namespace()));
    add("Failed checks threshold", analysis.effective_threshold().to_string());
    add("Progress deadline", format!("{deadline}s"));
    if let Some(routing) = routing(canary) {
        add("Traffic routing", routing);
    }
    fields
}

fn routing(canary: &Canary) -> Option<String> {
    let analysis = &canary.spec.analysis;
    if analysis.step_weight > 0 {
        return Some(format!("Weight step: {} max: {}", analysis.step_weight, analysis.max_weight));
    }
    if !analysis.step_weights.is_empty() {
        let steps: Vec<_> = analysis.step_weights.iter().map(i64::to_string).collect();
        return Some(format!("Weight steps: {} max: {}", steps.join(","), strategy::max_weight(analysis)));
    }
    if !analysis.matches.is_empty() {
        return Some("A/B Testing".to_owned());
    }
    (analysis.iterations > 0).then(|| "Blue/Green".to_owned())
}

/// `spec.progressDeadlineSeconds`, or 600.
#[must_use]
pub fn deadline_seconds(canary: &Canary) -> i64 {
    let default = crate::model::canary::DEFAULT_PROGRESS_DEADLINE.as_secs() as i64;
    canary.spec.progress_deadline_seconds.unwrap_or(default)
}

/// Who gets an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receivers<'c> {
    /// The controller's own notifier: the Canary lists no alerts.
    Global,
    /// AlertProviders, with their namespaces filled in; none where every filter refuses.
    Providers(Vec<(&'c str, &'c str)>),
}

/// Whom `alert` reaches: `info` takes everything, `warn` warnings and errors, `error` errors; unset takes nothing.
#[must_use]
pub fn receivers<'c>(canary: &'c Canary, alert: &Alert) -> Receivers<'c> {
    let listed = &canary.spec.analysis.alerts;
    if listed.is_empty() {
        return Receivers::Global;
    }
    let wanted = listed.iter().filter(|it| takes(&it.severity, alert.severity));
    Receivers::Providers(wanted.map(|it| place(&it.provider_ref, canary.namespace())).collect())
}

fn takes(filter: &str, severity: Severity) -> bool {
    match filter {
        "info" => true,
        "warn" => severity >= Severity::Warn,
        "error" => severity == Severity::Error,
        _ => false,
    }
}

/// Namespace and name of a reference; its own namespace, or the Canary's.
pub(super) fn place<'c>(reference: &'c TemplateRef, own: &'c str) -> (&'c str, &'c str) {
    let namespace = if reference.namespace.is_empty() { own } else { &reference.namespace };
    (namespace, &reference.name)
}

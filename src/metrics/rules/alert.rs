//! The alerts of one rule: inactive, pending, firing.

use super::template;
use crate::metrics::labels::{Labels, METRIC_NAME};
use crate::metrics::promql::Sample;
use std::collections::BTreeMap;

/// Where an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlertState {
    /// The expression holds, not yet long enough.
    Pending,
    Firing,
}

impl AlertState {
    /// Prometheus' word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
        }
    }
}

/// One alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// Those of the series with those of the rule and `alertname`.
    pub labels: Labels,
    /// With templates filled in.
    pub annotations: BTreeMap<String, String>,
    pub state: AlertState,
    /// When the expression began to hold, in milliseconds since 1970.
    pub active_at_ms: i64,
    /// Since when it fires although the expression no longer holds.
    pub keep_firing_since_ms: Option<i64>,
    /// What the expression gave last.
    pub value: f64,
}

/// The alerts of one rule.
#[derive(Debug, Default)]
pub(super) struct Alerts {
    pub(super) hold_ms: i64,
    pub(super) keep_firing_ms: i64,
    pub(super) annotations: BTreeMap<String, String>,
    active: BTreeMap<Labels, Alert>,
}

impl Alerts {
    pub(super) fn new(hold_ms: i64, keep_firing_ms: i64, annotations: BTreeMap<String, String>) -> Self {
        Self { hold_ms, keep_firing_ms, annotations, active: BTreeMap::new() }
    }

    pub(super) fn active(&self) -> Vec<Alert> {
        self.active.values().cloned().collect()
    }

    /// Takes what the expression gives at `t_ms`; gives the samples of `ALERTS` and `ALERTS_FOR_STATE`.
    pub(super) fn update(
        &mut self,
        name: &str,
        rule_labels: &BTreeMap<String, String>,
        samples: &[Sample],
        t_ms: i64,
    ) -> Result<Vec<(Labels, f64)>, String> {
        let mut current = BTreeMap::new();
        for sample in samples {
            let alert = self.alert(name, rule_labels, sample, t_ms);
            if current.insert(alert.labels.clone(), alert).is_some() {
                return Err("vector contains metrics with the same labelset after applying alert labels".to_owned());
            }
        }
        self.active
            .retain(|labels, alert| current.contains_key(labels) || keeps_firing(alert, self.keep_firing_ms, t_ms));
        for (labels, new) in current {
            let alert = self.active.entry(labels).or_insert_with(|| new.clone());
            alert.value = new.value;
            alert.annotations = new.annotations;
            alert.keep_firing_since_ms = None;
            if alert.state == AlertState::Pending && t_ms - alert.active_at_ms >= self.hold_ms {
                alert.state = AlertState::Firing;
            }
        }
        Ok(self.active.values().flat_map(series).collect())
    }

    fn alert(&self, name: &str, rule_labels: &BTreeMap<String, String>, sample: &Sample, t_ms: i64) -> Alert {
        let expand = |text: &str| template::expand(text, name, &sample.labels, sample.value);
        let mut labels = sample.labels.filtered(|label| label != METRIC_NAME);
        for (label, text) in rule_labels {
            labels = labels.with(label, &expand(text));
        }
        let annotations = self.annotations.iter().map(|(key, text)| (key.clone(), expand(text))).collect();
        Alert {
            labels: labels.with("alertname", name),
            annotations,
            state: AlertState::Pending,
            active_at_ms: t_ms,
            keep_firing_since_ms: None,
            value: sample.value,
        }
    }
}

/// Whether an alert whose expression no longer holds fires on for now.
fn keeps_firing(alert: &mut Alert, keep_firing_ms: i64, t_ms: i64) -> bool {
    if alert.state != AlertState::Firing || keep_firing_ms == 0 {
        return false;
    }
    let since = *alert.keep_firing_since_ms.get_or_insert(t_ms);
    t_ms - since < keep_firing_ms
}

fn series(alert: &Alert) -> [(Labels, f64); 2] {
    let alerts = alert.labels.with(METRIC_NAME, "ALERTS").with("alertstate", alert.state.name());
    let since = alert.labels.with(METRIC_NAME, "ALERTS_FOR_STATE");
    [(alerts, 1.0), (since, alert.active_at_ms.div_euclid(1000) as f64)]
}

//! Recording and alert rules, as Prometheus evaluates them.
//!
//! In: groups from a rule file, a store, the time. Out: samples in the store (recorded series, `ALERTS`,
//! `ALERTS_FOR_STATE`), alerts with their state. Never: the clock, notifications.

mod alert;
mod file;
mod template;

pub use alert::{Alert, AlertState};
pub use file::{GroupSpec, Millis, RuleFile, RuleSpec};

use super::labels::{Labels, METRIC_NAME, is_plain_name};
use super::promql::{Query, Sample, Value};
use super::store::{AppendError, STALE, Store};
use alert::Alerts;
use std::collections::{BTreeMap, BTreeSet};

/// The interval of a group that names none, in milliseconds (Prometheus' default evaluation interval).
pub const DEFAULT_INTERVAL_MS: i64 = 60_000;
/// How many rules there may be in all groups together.
pub const MAX_RULES: usize = 10_000;

/// What is wrong with a rule file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("group {group:?}, rule {rule}: {reason}")]
pub struct RuleProblem {
    pub group: String,
    /// From 1; 0 is the group itself.
    pub rule: usize,
    pub reason: String,
}

/// Rules with what they remember between evaluations.
#[derive(Debug, Default)]
pub struct Rules {
    groups: Vec<RuleGroup>,
}

/// Rules that are evaluated one after another, at one time.
#[derive(Debug)]
pub struct RuleGroup {
    /// The file that it stands in.
    pub file: String,
    pub name: String,
    pub interval_ms: i64,
    /// How many series or alerts each rule may make; 0 is any number.
    pub limit: usize,
    /// It looks so far into the past, in milliseconds.
    offset_ms: i64,
    /// As written.
    spec: GroupSpec,
    pub rules: Vec<Rule>,
    /// None before the first evaluation.
    pub last_evaluation_ms: Option<i64>,
}

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// The metric that is recorded, or the alert.
    pub name: String,
    /// As written.
    pub expression: String,
    pub labels: BTreeMap<String, String>,
    /// Why the last evaluation failed.
    pub last_error: Option<String>,
    query: Query,
    kind: RuleKind,
    /// What the last evaluation wrote, so that what vanishes can end.
    written: BTreeSet<Labels>,
}

#[derive(Debug)]
enum RuleKind {
    Recording,
    Alerting(Alerts),
}

impl Rule {
    /// Of an alert rule its alerts, pending and firing.
    #[must_use]
    pub fn alerts(&self) -> Option<Vec<Alert>> {
        match &self.kind {
            RuleKind::Recording => None,
            RuleKind::Alerting(alerts) => Some(alerts.active()),
        }
    }

    /// Of an alert rule: how long it must hold before it fires, how long it fires on, both in milliseconds, and the
    /// annotations as written.
    #[must_use]
    pub fn alerting(&self) -> Option<(i64, i64, &BTreeMap<String, String>)> {
        match &self.kind {
            RuleKind::Recording => None,
            RuleKind::Alerting(alerts) => Some((alerts.hold_ms, alerts.keep_firing_ms, &alerts.annotations)),
        }
    }

    /// What is evaluated.
    #[must_use]
    pub fn query(&self) -> &Query {
        &self.query
    }

    fn evaluate(&mut self, store: &mut Store, t_ms: i64, limit: usize) {
        let outcome = self.compute(store, t_ms, limit).and_then(|samples| self.write(store, t_ms, samples));
        self.last_error = outcome.err();
    }

    /// The samples that the rule gives now.
    fn compute(&mut self, store: &Store, t_ms: i64, limit: usize) -> Result<Vec<(Labels, f64)>, String> {
        let value = self.query.instant(store, t_ms).map_err(|error| error.to_string())?;
        let samples = match value {
            Value::Vector(samples) => samples,
            Value::Scalar { value, .. } => vec![Sample { labels: Labels::empty(), t_ms, value }],
            Value::Text { .. } | Value::Matrix(_) => return Err("rule result is not a vector or scalar".to_owned()),
        };
        if limit > 0 && samples.len() > limit {
            let what = if self.alerts().is_some() { "alerts" } else { "series" };
            return Err(format!("exceeded limit of {limit} with {} {what}", samples.len()));
        }
        match &mut self.kind {
            RuleKind::Recording => Ok(record(&self.name, &self.labels, &samples)),
            RuleKind::Alerting(alerts) => alerts.update(&self.name, &self.labels, &samples, t_ms),
        }
    }

    fn write(&mut self, store: &mut Store, t_ms: i64, samples: Vec<(Labels, f64)>) -> Result<(), String> {
        let mut written = BTreeSet::new();
        for (labels, value) in samples {
            match store.append(&labels, t_ms, value) {
                // Evaluated twice at one time: what is there stays.
                Ok(_) | Err(AppendError::OutOfOrder | AppendError::Duplicate) => {}
                Err(error) => return Err(error.to_string()),
            }
            if !written.insert(labels) {
                return Err("vector contains metrics with the same labelset after applying rule labels".to_owned());
            }
        }
        for ended in self.written.difference(&written) {
            // A series that is already gone needs no end.
            let _ = store.append(ended, t_ms, STALE);
        }
        self.written = written;
        Ok(())
    }
}

/// The samples under the recorded name, with the rule's labels.
fn record(name: &str, labels: &BTreeMap<String, String>, samples: &[Sample]) -> Vec<(Labels, f64)> {
    let relabel = |sample: &Sample| {
        let named = sample.labels.with(METRIC_NAME, name);
        (labels.iter().fold(named, |all, (label, value)| all.with(label, value)), sample.value)
    };
    samples.iter().map(relabel).collect()
}

impl Rules {
    /// Reads rules; all that is wrong with them is told at once.
    pub fn load(file: RuleFile) -> Result<Self, Vec<RuleProblem>> {
        let (mut groups, mut problems) = (Vec::<RuleGroup>::new(), Vec::new());
        let count: usize = file.groups.iter().map(|group| group.rules.len()).sum();
        if count > MAX_RULES {
            let reason = format!("there are {count} rules; {MAX_RULES} are the most");
            return Err(vec![RuleProblem { group: String::new(), rule: 0, reason }]);
        }
        for group in file.groups {
            let spec = group.clone();
            let mut problem = |rule, reason| problems.push(RuleProblem { group: spec.name.clone(), rule, reason });
            if spec.name.is_empty() {
                problem(0, "a group needs a name".to_owned());
            }
            if groups.iter().any(|other| (&other.file, &other.name) == (&spec.file, &spec.name)) {
                problem(0, "there is another group of that name".to_owned());
            }
            let mut rules = Vec::new();
            for (index, rule) in spec.rules.into_iter().enumerate() {
                match read_rule(rule, &spec.labels) {
                    Ok(rule) => rules.push(rule),
                    Err(reason) => problem(index + 1, reason),
                }
            }
            let interval_ms = spec.interval.map_or(DEFAULT_INTERVAL_MS, |interval| interval.0).max(1);
            groups.push(RuleGroup {
                file: spec.file,
                name: spec.name,
                interval_ms,
                limit: spec.limit,
                offset_ms: spec.query_offset.map_or(0, |offset| offset.0),
                spec: group,
                rules,
                last_evaluation_ms: None,
            });
        }
        if problems.is_empty() { Ok(Self { groups }) } else { Err(problems) }
    }

    /// The same rules; groups that were there before, word for word, remember what they did.
    pub(super) fn going_on_from(mut self, before: Self) -> Self {
        for old in before.groups {
            if let Some(same) = self.groups.iter_mut().find(|group| group.spec == old.spec) {
                *same = old;
            }
        }
        self
    }

    /// Evaluates the groups whose interval has passed at `t_ms` (milliseconds since 1970); says how many there were.
    pub fn evaluate(&mut self, store: &mut Store, t_ms: i64) -> usize {
        let due = |group: &&mut RuleGroup| {
            group.last_evaluation_ms.is_none_or(|last| t_ms.saturating_sub(last) >= group.interval_ms)
        };
        let mut evaluated = 0;
        for group in self.groups.iter_mut().filter(due) {
            group.last_evaluation_ms = Some(t_ms);
            for rule in &mut group.rules {
                rule.evaluate(store, t_ms.saturating_sub(group.offset_ms), group.limit);
            }
            evaluated += 1;
        }
        evaluated
    }

    /// The groups, in the file's order.
    #[must_use]
    pub fn groups(&self) -> &[RuleGroup] {
        &self.groups
    }

    /// When a group is next due, if there is one (milliseconds since 1970); 0 when one was never evaluated.
    #[must_use]
    pub fn next_due_ms(&self) -> Option<i64> {
        let due = |group: &RuleGroup| group.last_evaluation_ms.map_or(0, |last| last.saturating_add(group.interval_ms));
        self.groups.iter().map(due).min()
    }

    /// All alerts, pending and firing.
    #[must_use]
    pub fn alerts(&self) -> Vec<Alert> {
        let rules = self.groups.iter().flat_map(|group| &group.rules);
        rules.filter_map(Rule::alerts).flatten().collect()
    }
}

fn read_rule(spec: RuleSpec, group_labels: &BTreeMap<String, String>) -> Result<Rule, String> {
    let query = Query::parse(&spec.expr.0).map_err(|error| format!("could not parse expression: {error}"))?;
    let mut labels = group_labels.clone();
    labels.extend(spec.labels);
    if let Some(label) = labels.keys().find(|label| !is_label_name(label)) {
        return Err(format!("invalid label name: {label}"));
    }
    let (name, kind) = match (spec.record, spec.alert) {
        (Some(_), Some(_)) => return Err("only one of 'record' and 'alert' must be set".to_owned()),
        (None, None) => return Err("one of 'record' or 'alert' must be set".to_owned()),
        (Some(record), None) => {
            if !spec.annotations.is_empty() {
                return Err("invalid field 'annotations' in recording rule".to_owned());
            }
            if spec.hold.is_some() || spec.keep_firing_for.is_some() {
                return Err("invalid field 'for' or 'keep_firing_for' in recording rule".to_owned());
            }
            if record.is_empty() || record.contains(['{', '}', ' ']) {
                return Err(format!("invalid recording rule name: {record}"));
            }
            (record, RuleKind::Recording)
        }
        (None, Some(alert)) => {
            let millis = |duration: Option<file::Millis>| duration.map_or(0, |duration| duration.0);
            let alerts = Alerts::new(millis(spec.hold), millis(spec.keep_firing_for), spec.annotations);
            (alert, RuleKind::Alerting(alerts))
        }
    };
    Ok(Rule { name, expression: spec.expr.0, labels, last_error: None, query, kind, written: BTreeSet::new() })
}

fn is_label_name(name: &str) -> bool {
    is_plain_name(name) && name != METRIC_NAME
}

#[cfg(test)]
mod tests;

//! Series side by side over the same steps: what every vector expression gives.

use crate::metrics::labels::Labels;
use crate::metrics::promql::value::QueryError;
use crate::metrics::store::{STALE, is_stale};

/// Stands for "no value at this step". The staleness marker serves, because no arithmetic gives its bits and no
/// selector lets it through.
pub(super) const ABSENT: f64 = STALE;

pub(super) fn is_absent(value: f64) -> bool {
    is_stale(value)
}

/// Rows of values, one per series, one value (or [`ABSENT`]) per step.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) labels: Vec<Labels>,
    /// Row after row.
    pub(super) values: Vec<f64>,
    pub(super) steps: usize,
    /// Rows differ even without the labels that describe the metric.
    pub(super) distinct: bool,
}

impl Frame {
    /// No rows, of which all would be distinct.
    pub(super) fn new(steps: usize) -> Self {
        Self { labels: Vec::new(), values: Vec::new(), steps, distinct: true }
    }

    /// One row without labels.
    pub(super) fn single(values: Vec<f64>) -> Self {
        Self { labels: vec![Labels::empty()], steps: values.len(), values, distinct: true }
    }

    pub(super) fn rows(&self) -> usize {
        self.labels.len()
    }

    pub(super) fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.steps..(row + 1) * self.steps]
    }

    pub(super) fn row_mut(&mut self, row: usize) -> &mut [f64] {
        &mut self.values[row * self.steps..(row + 1) * self.steps]
    }

    /// Adds a row of absent values; gives its place.
    pub(super) fn push_absent(&mut self, labels: Labels) -> usize {
        self.labels.push(labels);
        self.values.resize(self.values.len() + self.steps, ABSENT);
        self.labels.len() - 1
    }

    /// Changes every value that is there.
    pub(super) fn map(&mut self, change: impl Fn(f64) -> f64) {
        for value in self.values.iter_mut().filter(|value| !is_absent(**value)) {
            *value = change(*value);
        }
    }

    /// Changes every value that is there, knowing its step.
    pub(super) fn map_steps(&mut self, change: impl Fn(usize, f64) -> f64) {
        for row in self.values.chunks_mut(self.steps.max(1)) {
            for (step, value) in row.iter_mut().enumerate().filter(|(_, value)| !is_absent(**value)) {
                *value = change(step, *value);
            }
        }
    }

    /// Without the labels that describe the metric, because the values now mean something else.
    pub(super) fn without_metric(mut self) -> Result<Self, QueryError> {
        for labels in &mut self.labels {
            *labels = labels.without_metric();
        }
        if self.distinct { Ok(self) } else { self.merged() }
    }

    /// Makes one row of those with the same labels; an error where two have a value at the same step.
    pub(super) fn merged(mut self) -> Result<Self, QueryError> {
        let mut order: Vec<usize> = (0..self.rows()).collect();
        order.sort_by(|a, b| self.labels[*a].cmp(&self.labels[*b]));
        let mut gone = vec![false; self.rows()];
        let mut first = 0;
        for index in 1..order.len() {
            let (into, from) = (order[first], order[index]);
            if self.labels[into] != self.labels[from] {
                first = index;
                continue;
            }
            for step in 0..self.steps {
                let value = self.values[from * self.steps + step];
                if is_absent(value) {
                    continue;
                }
                let place = &mut self.values[into * self.steps + step];
                if !is_absent(*place) {
                    return Err(QueryError::same_labels());
                }
                *place = value;
            }
            gone[from] = true;
        }
        Ok(if gone.contains(&true) { self.kept(|row| !gone[row]) } else { self })
    }

    /// Only the rows that `keep` accepts.
    pub(super) fn kept(&self, keep: impl Fn(usize) -> bool) -> Self {
        let mut kept = Self { labels: Vec::new(), values: Vec::new(), steps: self.steps, distinct: self.distinct };
        for row in (0..self.rows()).filter(|row| keep(*row)) {
            kept.labels.push(self.labels[row].clone());
            kept.values.extend_from_slice(self.row(row));
        }
        kept
    }

    /// Without rows that have no value at all.
    pub(super) fn compact(self) -> Self {
        let empty = |row: usize| self.row(row).iter().all(|value| is_absent(*value));
        if (0..self.rows()).any(empty) { self.kept(|row| !empty(row)) } else { self }
    }
}

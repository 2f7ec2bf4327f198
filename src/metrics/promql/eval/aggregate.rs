//! Aggregations: many rows to one per group, or the best rows of each group.

use super::frame::{ABSENT, Frame, is_absent};
use super::sums::{Mean, Sum, nan_first, quantile};
use super::{Engine, Steps};
use crate::metrics::labels::{Labels, METRIC_NAME};
use crate::metrics::number;
use crate::metrics::promql::expr::{Aggregate, AggregateOp, Expr};
use crate::metrics::promql::value::QueryError;
use indexmap::IndexMap;
use std::cmp::Ordering;

/// Rows by group, in the order in which the groups appear.
type Groups = IndexMap<Labels, Vec<usize>>;

impl Engine<'_> {
    pub(super) fn aggregate(&self, aggregate: &Aggregate, steps: Steps) -> Result<Frame, QueryError> {
        use AggregateOp as Op;
        let frame = self.vector(&aggregate.expr, steps)?;
        let number = |parameter: &Option<Expr>| match parameter {
            Some(parameter) => self.scalar(parameter, steps),
            None => Ok(vec![0.0; steps.count]),
        };
        match aggregate.op {
            Op::CountValues => return self.count_values(aggregate, &frame),
            Op::Topk | Op::Bottomk => return best(aggregate, &frame, &number(&aggregate.param)?),
            _ => {}
        }
        let groups = group(aggregate, &frame);
        self.charge(groups.len() * steps.count)?;
        let parameters = if aggregate.op == Op::Quantile { number(&aggregate.param)? } else { Vec::new() };
        self.notes().quantiles(&parameters, aggregate.param_at);
        let mut out = Frame::new(steps.count);
        for (labels, rows) in groups {
            for step in 0..steps.count {
                let values = rows.iter().map(|row| frame.values[row * frame.steps + step]);
                let values = values.filter(|value| !is_absent(*value));
                let parameter = parameters.get(step).copied().unwrap_or(0.0);
                out.values.push(combine(aggregate.op, parameter, values).unwrap_or(ABSENT));
            }
            out.labels.push(labels);
        }
        // `without` of no labels keeps apart what differs, but the name is gone everywhere.
        Ok(Frame { distinct: true, ..out })
    }

    /// One row per group and value: how many series of the group have that value.
    fn count_values(&self, aggregate: &Aggregate, frame: &Frame) -> Result<Frame, QueryError> {
        let Some(Expr::Text(label)) = &aggregate.param else { return Ok(Frame::new(frame.steps)) };
        let mut rows: IndexMap<Labels, usize> = IndexMap::new();
        let mut out = Frame::new(frame.steps);
        for (row, labels) in frame.labels.iter().enumerate() {
            for (step, value) in frame.row(row).iter().enumerate().filter(|(_, value)| !is_absent(**value)) {
                let key = grouped(aggregate, &labels.with(label, &number::fixed(*value)), Some(label));
                let counted = if let Some(counted) = rows.get(&key) {
                    *counted
                } else {
                    self.charge(frame.steps)?;
                    rows.insert(key.clone(), out.rows());
                    out.push_absent(key)
                };
                let place = &mut out.row_mut(counted)[step];
                *place = if is_absent(*place) { 1.0 } else { *place + 1.0 };
            }
        }
        out.distinct = false;
        Ok(out)
    }
}

fn group(aggregate: &Aggregate, frame: &Frame) -> Groups {
    if !aggregate.without && aggregate.labels.is_empty() {
        let all: Vec<usize> = (0..frame.rows()).collect();
        return if all.is_empty() { Groups::new() } else { Groups::from([(Labels::empty(), all)]) };
    }
    let mut groups = Groups::new();
    for (row, labels) in frame.labels.iter().enumerate() {
        groups.entry(group_labels(aggregate, labels)).or_default().push(row);
    }
    groups
}

fn group_labels(aggregate: &Aggregate, labels: &Labels) -> Labels {
    grouped(aggregate, labels, None)
}

/// The labels that name a group; `made` is a label that the aggregation itself made, which `by` need not list.
fn grouped(aggregate: &Aggregate, labels: &Labels, made: Option<&str>) -> Labels {
    let listed = |name: &str| aggregate.labels.iter().any(|label| label == name);
    if aggregate.without {
        labels.filtered(|name| name != METRIC_NAME && !listed(name))
    } else {
        labels.filtered(|name| listed(name) || made == Some(name))
    }
}

/// One value of the values of a group; none of none.
fn combine(op: AggregateOp, parameter: f64, mut values: impl Iterator<Item = f64>) -> Option<f64> {
    use AggregateOp as Op;
    let first = values.next()?;
    let mut values = std::iter::once(first).chain(values);
    Some(match op {
        Op::Sum => {
            // From the first value, not from 0, so that a sum of -0 stays -0.
            let mut sum = Sum { sum: values.next()?, rest: 0.0 };
            values.for_each(|value| sum.add(value));
            sum.sum + sum.rest
        }
        Op::Avg => {
            let mut mean = Mean::default();
            values.for_each(|value| mean.add(value));
            mean.mean()
        }
        Op::Min => values.fold(f64::NAN, |best, value| if value < best || best.is_nan() { value } else { best }),
        Op::Max => values.fold(f64::NAN, |best, value| if value > best || best.is_nan() { value } else { best }),
        Op::Count => values.count() as f64,
        Op::Group => 1.0,
        Op::Stdvar => variance(values),
        Op::Stddev => variance(values).sqrt(),
        Op::Quantile => quantile(parameter, &mut values.collect::<Vec<f64>>()),
        // These give rows, not values.
        Op::Topk | Op::Bottomk | Op::CountValues => return None,
    })
}

/// Welford's method, as Prometheus aggregates. A first value that is not finite spoils all, as there.
fn variance(mut values: impl Iterator<Item = f64>) -> f64 {
    let Some(first) = values.next() else { return f64::NAN };
    let (mut count, mut mean) = (1.0, first);
    let mut squares = if first.is_finite() { 0.0 } else { f64::NAN };
    for value in values {
        count += 1.0;
        let delta = value - mean;
        mean += delta / count;
        squares += delta * (value - mean);
    }
    squares / count
}

/// `topk` and `bottomk`: at each step the k greatest or least rows of each group, with their labels.
fn best(aggregate: &Aggregate, frame: &Frame, parameters: &[f64]) -> Result<Frame, QueryError> {
    let top = aggregate.op == AggregateOp::Topk;
    if parameters.iter().any(|k| k.is_nan()) {
        return Err(QueryError::Execution("Parameter value is NaN".to_owned()));
    }
    if let Some(k) = parameters.iter().find(|k| k.abs() >= 9_223_372_036_854_775_807.0) {
        return Err(QueryError::Execution(format!("Scalar value {} overflows int64", number::general(*k))));
    }
    // NaN loses in both directions.
    let rank = |a: f64, b: f64| -> Ordering {
        match (a.is_nan(), b.is_nan()) {
            (false, false) if top => nan_first(b, a),
            (false, false) => nan_first(a, b),
            (a, b) => a.cmp(&b),
        }
    };
    let mut out = Frame { values: vec![ABSENT; frame.values.len()], labels: frame.labels.clone(), ..*frame };
    let mut order = Vec::new();
    for rows in group(aggregate, frame).values() {
        for (step, k) in parameters.iter().enumerate() {
            let value = |row: &usize| frame.values[row * frame.steps + step];
            let mut present: Vec<usize> = rows.iter().copied().filter(|row| !is_absent(value(row))).collect();
            present.sort_by(|a, b| rank(value(a), value(b)));
            present.truncate(k.max(0.0) as usize);
            for row in &present {
                out.values[row * frame.steps + step] = value(row);
            }
            if frame.steps == 1 {
                order.extend(present);
            }
        }
    }
    // One step: the answer is in order of rank.
    Ok(if frame.steps == 1 { reordered(&out, &order) } else { out.compact() })
}

/// The rows in the given order, and only those.
pub(super) fn reordered(frame: &Frame, order: &[usize]) -> Frame {
    let mut out = Frame { labels: Vec::new(), values: Vec::new(), ..*frame };
    for row in order {
        out.labels.push(frame.labels[*row].clone());
        out.values.extend_from_slice(frame.row(*row));
    }
    out
}

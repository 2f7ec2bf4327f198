//! Operators between two vectors: which rows belong together.

use super::Engine;
use super::binary::apply;
use super::frame::{ABSENT, Frame, is_absent};
use crate::metrics::labels::{Labels, METRIC_NAME};
use crate::metrics::promql::expr::{Binary, BinaryOp, Cardinality};
use crate::metrics::promql::value::QueryError;
use indexmap::IndexMap;

/// What rows of both sides must have in common.
fn signature(binary: &Binary, labels: &Labels) -> Labels {
    let listed = |name: &str| binary.labels.iter().any(|label| label == name);
    if binary.on { labels.filtered(listed) } else { labels.filtered(|name| name != METRIC_NAME && !listed(name)) }
}

/// Rows by signature.
fn by_signature(binary: &Binary, frame: &Frame) -> IndexMap<Labels, Vec<usize>> {
    let mut groups: IndexMap<Labels, Vec<usize>> = IndexMap::new();
    for (row, labels) in frame.labels.iter().enumerate() {
        groups.entry(signature(binary, labels)).or_default().push(row);
    }
    groups
}

impl Engine<'_> {
    /// `and`, `or`, `unless`.
    pub(super) fn set(&self, binary: &Binary, mut lhs: Frame, rhs: &Frame) -> Result<Frame, QueryError> {
        let (left, right) = (by_signature(binary, &lhs), by_signature(binary, rhs));
        let occupied = |frame: &Frame, rows: Option<&Vec<usize>>, step: usize| {
            rows.is_some_and(|rows| rows.iter().any(|row| !is_absent(frame.values[row * frame.steps + step])))
        };
        if binary.op != BinaryOp::Or {
            let wanted = binary.op == BinaryOp::And;
            for (key, rows) in &left {
                for step in 0..lhs.steps {
                    if occupied(rhs, right.get(key), step) != wanted {
                        for row in rows {
                            lhs.row_mut(*row)[step] = ABSENT;
                        }
                    }
                }
            }
            return Ok(lhs.compact());
        }
        self.charge(rhs.values.len())?;
        let mut out = lhs.clone();
        for (key, rows) in &right {
            for row in rows {
                let added = out.push_absent(rhs.labels[*row].clone());
                for step in (0..lhs.steps).filter(|step| !occupied(&lhs, left.get(key), *step)) {
                    out.row_mut(added)[step] = rhs.row(*row)[step];
                }
            }
        }
        // A row of the right may be one of the left at other steps; names may differ now, or not.
        out.distinct = false;
        out.compact().merged()
    }

    /// Arithmetic and comparisons. The "one" side is the right one, unless `group_right` turns them around.
    pub(super) fn matched(&self, binary: &Binary, lhs: &Frame, rhs: &Frame) -> Result<Frame, QueryError> {
        let swapped = binary.cardinality == Cardinality::OneToMany;
        let (many, one) = if swapped { (rhs, lhs) } else { (lhs, rhs) };
        let steps = lhs.steps;
        let mut out = Frame { distinct: false, ..Frame::new(steps) };
        if many.rows() == 0 || one.rows() == 0 {
            return Ok(out);
        }
        let ones = by_signature(binary, one);
        for (key, rows) in &ones {
            one_per_step(binary, one, many, key, rows)?;
        }
        for (key, rows) in &by_signature(binary, many) {
            let Some(partners) = ones.get(key) else { continue };
            let mut taken: Vec<(Labels, Vec<bool>)> = Vec::new();
            for row in rows {
                for partner in partners {
                    self.charge(steps)?;
                    let labels = result_labels(binary, &many.labels[*row], &one.labels[*partner]);
                    let group =
                        if binary.cardinality == Cardinality::OneToOne { Labels::empty() } else { labels.clone() };
                    let slot = slot(&mut taken, group, steps);
                    let place = out.push_absent(labels);
                    for (step, taken) in slot.iter_mut().enumerate() {
                        let (value, other) = (many.row(*row)[step], one.row(*partner)[step]);
                        if is_absent(value) || is_absent(other) {
                            continue;
                        }
                        if std::mem::replace(taken, true) {
                            return Err(several_matches(binary));
                        }
                        let (lhs, rhs) = if swapped { (other, value) } else { (value, other) };
                        out.row_mut(place)[step] = result(binary, lhs, rhs);
                    }
                }
            }
        }
        out.compact().merged()
    }
}

/// Which steps a group's result already has a value for.
fn slot(taken: &mut Vec<(Labels, Vec<bool>)>, group: Labels, steps: usize) -> &mut Vec<bool> {
    let place = taken.iter().position(|(labels, _)| *labels == group).unwrap_or_else(|| {
        taken.push((group, vec![false; steps]));
        taken.len() - 1
    });
    &mut taken[place].1
}

fn result(binary: &Binary, lhs: f64, rhs: f64) -> f64 {
    let value = apply(binary.op, lhs, rhs);
    if binary.bool_result { f64::from(u8::from(value.is_some())) } else { value.unwrap_or(ABSENT) }
}

/// An error where two rows of the "one" side share a signature at one step.
fn one_per_step(binary: &Binary, one: &Frame, many: &Frame, key: &Labels, rows: &[usize]) -> Result<(), QueryError> {
    if rows.len() < 2 {
        return Ok(());
    }
    for step in 0..one.steps {
        // Prometheus looks only where the other side has something at all.
        if (0..many.rows()).all(|row| is_absent(many.values[row * many.steps + step])) {
            continue;
        }
        let mut present = rows.iter().filter(|row| !is_absent(one.values[**row * one.steps + step]));
        if let (Some(first), Some(second)) = (present.next(), present.next()) {
            let side = if binary.cardinality == Cardinality::OneToMany { "left" } else { "right" };
            return Err(QueryError::Execution(format!(
                "found duplicate series for the match group {key} on the {side} hand-side of the operation: [{}, {}]\
                 ;many-to-many matching not allowed: matching labels must be unique on one side",
                one.labels[*second], one.labels[*first]
            )));
        }
    }
    Ok(())
}

fn several_matches(binary: &Binary) -> QueryError {
    let text = if binary.cardinality == Cardinality::OneToOne {
        "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
    } else {
        "multiple matches for labels: grouping labels must ensure unique matches"
    };
    QueryError::Execution(text.to_owned())
}

/// The labels of a result: those of the "many" side, reduced to what was matched where it is one to one, with the labels
/// that `group_x` takes from the "one" side.
fn result_labels(binary: &Binary, many: &Labels, one: &Labels) -> Labels {
    let keeps_name = binary.op.is_comparison() && !binary.bool_result;
    let mut labels = if keeps_name { many.clone() } else { many.without_metric() };
    if binary.cardinality == Cardinality::OneToOne {
        let listed = |name: &str| binary.labels.iter().any(|label| label == name);
        labels = labels.filtered(|name| listed(name) == binary.on);
    }
    for name in &binary.include {
        labels = labels.with(name, one.get(name));
    }
    labels
}

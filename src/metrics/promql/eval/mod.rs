//! Evaluates expressions over a store: every expression once, for all steps at a time.
//!
//! In: a lowered expression, the steps. Out: a frame (or numbers per step). Never: the text of queries.

mod aggregate;
mod binary;
mod calls;
pub(super) mod date;
mod frame;
mod histogram;
pub(super) mod label_functions;
mod matching;
pub(super) mod over_time;
mod select;
mod sums;

use super::Terms;
use super::expr::{At, Expr, Kind, When};
use super::notes::Notes;
use super::value::{Answered, QueryError, RangeSeries, Sample, SamplesRead, Value};
use crate::metrics::store::Store;
use frame::{Frame, is_absent};
use std::cell::{Cell, RefCell, RefMut};

/// The times at which an expression is evaluated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Steps {
    pub(super) start_ms: i64,
    /// More than 0.
    pub(super) step_ms: i64,
    pub(super) count: usize,
}

impl Steps {
    pub(super) fn at(self, step: usize) -> i64 {
        self.start_ms + self.step_ms * step as i64
    }

    fn times(self) -> impl Iterator<Item = i64> {
        (0..self.count).map(move |step| self.at(step))
    }

    fn end_ms(self) -> i64 {
        self.at(self.count.saturating_sub(1))
    }
}

/// What an expression gave.
enum Evaluated {
    /// One number per step.
    Scalar(Vec<f64>),
    Vector(Frame),
}

/// One evaluation of one query.
pub(super) struct Engine<'s> {
    store: &'s Store,
    /// Of the whole query: what `start()` and `end()` mean.
    start_ms: i64,
    end_ms: i64,
    /// Samples that may still be loaded or made.
    budget: Cell<usize>,
    /// Samples that may be loaded or made before the time is looked at again.
    until_look: Cell<usize>,
    samples: Cell<SamplesRead>,
    notes: RefCell<Notes>,
    terms: Terms<'s>,
}

/// After how many samples it is looked whether there is time left.
const LOOK_EVERY_SAMPLES: usize = 100_000;

impl<'s> Engine<'s> {
    pub(super) fn new(store: &'s Store, start_ms: i64, end_ms: i64, terms: Terms<'s>) -> Self {
        Self {
            store,
            start_ms,
            end_ms,
            budget: Cell::new(terms.max_samples),
            until_look: Cell::new(0),
            samples: Cell::default(),
            notes: RefCell::default(),
            terms,
        }
    }

    /// The value with what was noticed on the way to it. `query` is the text that places refer to.
    pub(super) fn answered(&self, value: Value, query: &str) -> Answered {
        let charged = self.terms.max_samples - self.budget.get();
        let samples = SamplesRead { charged, ..self.samples.get() };
        Answered { value, remarks: self.notes.borrow().told(query), samples }
    }

    /// Counts samples that were looked at, and those among them that were not looked at a step before.
    fn read(&self, samples: usize, new: usize) {
        let SamplesRead { total, read, charged } = self.samples.get();
        self.samples.set(SamplesRead { total: total + samples as u64, read: read + new as u64, charged });
    }

    fn notes(&self) -> RefMut<'_, Notes> {
        self.notes.borrow_mut()
    }

    /// The answer at one time.
    pub(super) fn instant(&self, expr: &Expr, t_ms: i64) -> Result<Value, QueryError> {
        let steps = Steps { start_ms: t_ms, step_ms: 1, count: 1 };
        match expr.kind() {
            Kind::Text => {
                let text = if let Expr::Text(text) = expr { text.clone() } else { String::new() };
                return Ok(Value::Text { t_ms, text });
            }
            Kind::Matrix => return self.matrix(expr, steps).map(Value::Matrix),
            Kind::Scalar | Kind::Vector => {}
        }
        Ok(match self.evaluate(expr, steps)? {
            Evaluated::Scalar(values) => Value::Scalar { t_ms, value: values[0] },
            Evaluated::Vector(frame) => {
                let rows = frame.labels.into_iter().zip(frame.values).filter(|(_, value)| !is_absent(*value));
                Value::Vector(rows.map(|(labels, value)| Sample { labels, t_ms, value }).collect())
            }
        })
    }

    /// The answers at several times, as series ordered by labels.
    pub(super) fn range(&self, expr: &Expr, steps: Steps) -> Result<Value, QueryError> {
        let frame = match self.evaluate(expr, steps)? {
            Evaluated::Scalar(values) => Frame::single(values),
            Evaluated::Vector(frame) => frame,
        };
        let series = (0..frame.rows()).map(|row| {
            let values = steps.times().zip(frame.row(row).iter().copied());
            let points: Vec<(i64, f64)> = values.filter(|(_, value)| !is_absent(*value)).collect();
            RangeSeries { labels: frame.labels[row].clone(), points }
        });
        let mut series: Vec<RangeSeries> = series.filter(|series| !series.points.is_empty()).collect();
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(Value::Matrix(series))
    }

    /// The samples of a range selector or subquery at one time.
    fn matrix(&self, expr: &Expr, steps: Steps) -> Result<Vec<RangeSeries>, QueryError> {
        let ranges = self.ranges(expr, steps)?;
        let (start, end) = ranges.window(self.moment(ranges.when, steps.start_ms));
        let series = ranges.rows.iter().map(|row| {
            let points = row.times.iter().copied().zip(row.values.iter().copied());
            let points: Vec<(i64, f64)> = points.filter(|(t, _)| *t > start && *t <= end).collect();
            self.read(points.len(), points.len());
            RangeSeries { labels: row.labels.clone(), points }
        });
        let mut series: Vec<RangeSeries> = series.filter(|series| !series.points.is_empty()).collect();
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(series)
    }

    fn evaluate(&self, expr: &Expr, steps: Steps) -> Result<Evaluated, QueryError> {
        self.charge(steps.count)?;
        Ok(match expr {
            Expr::Number(value) => Evaluated::Scalar(vec![*value; steps.count]),
            Expr::Selector(selector) => Evaluated::Vector(self.select_latest(selector, steps, |_, value| value)?),
            Expr::Aggregate(aggregate) => Evaluated::Vector(self.aggregate(aggregate, steps)?),
            Expr::Binary(binary) => self.binary(binary, steps)?,
            Expr::Negate(inner) => match self.evaluate(inner, steps)? {
                Evaluated::Scalar(values) => Evaluated::Scalar(values.into_iter().map(|value| -value).collect()),
                Evaluated::Vector(mut frame) => {
                    frame.map(|value| -value);
                    Evaluated::Vector(frame.without_metric()?)
                }
            },
            Expr::Call(call) => self.call(call, steps)?,
            // Lowering lets neither reach a place where a vector or number is wanted.
            Expr::Text(_) | Expr::Range(..) | Expr::Subquery(_) => Evaluated::Vector(Frame::new(steps.count)),
        })
    }

    /// The vector that an expression of that kind gives.
    fn vector(&self, expr: &Expr, steps: Steps) -> Result<Frame, QueryError> {
        Ok(match self.evaluate(expr, steps)? {
            Evaluated::Vector(frame) => frame,
            Evaluated::Scalar(values) => Frame::single(values),
        })
    }

    /// The numbers that an expression of that kind gives, one per step.
    fn scalar(&self, expr: &Expr, steps: Steps) -> Result<Vec<f64>, QueryError> {
        Ok(match self.evaluate(expr, steps)? {
            Evaluated::Scalar(values) => values,
            Evaluated::Vector(_) => vec![f64::NAN; steps.count],
        })
    }

    /// Where a selector looks when the query is at `t_ms`.
    fn moment(&self, when: When, t_ms: i64) -> i64 {
        let base = match when.at {
            None => t_ms,
            Some(At::Start) => self.start_ms,
            Some(At::End) => self.end_ms,
            Some(At::Time(at)) => at,
        };
        base.saturating_sub(when.offset_ms)
    }

    fn charge(&self, samples: usize) -> Result<(), QueryError> {
        let left = self.budget.get().checked_sub(samples).ok_or_else(|| {
            QueryError::Execution(
                "query processing would load too many samples into memory in query execution".to_owned(),
            )
        })?;
        self.budget.set(left);
        match self.until_look.get().checked_sub(samples) {
            Some(until_look) => self.until_look.set(until_look),
            None if (self.terms.expired)() => return Err(QueryError::Timeout),
            None => self.until_look.set(LOOK_EVERY_SAMPLES),
        }
        Ok(())
    }
}

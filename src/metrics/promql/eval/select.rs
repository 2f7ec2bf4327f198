//! Reads samples: the latest before each step, and windows.

use super::frame::{ABSENT, Frame};
use super::{Engine, Steps};
use crate::metrics::labels::Labels;
use crate::metrics::promql::expr::{Expr, Selector, Subquery, When};
use crate::metrics::promql::value::QueryError;
use crate::metrics::store::{Samples, is_stale};
use std::borrow::Cow;

/// Series with the samples that the windows of all steps need.
pub(super) struct Ranges<'s> {
    pub(super) rows: Vec<RangeRow<'s>>,
    pub(super) when: When,
    pub(super) range_ms: i64,
    /// Rows differ even without the labels that describe the metric.
    pub(super) distinct: bool,
}

/// One series; no staleness markers among the values.
pub(super) struct RangeRow<'s> {
    pub(super) labels: Labels,
    pub(super) times: Cow<'s, [i64]>,
    pub(super) values: Cow<'s, [f64]>,
}

impl Ranges<'_> {
    /// The window that ends at `end`: its start, which is not part of it, and its end, which is.
    pub(super) fn window(&self, end: i64) -> (i64, i64) {
        (end.saturating_sub(self.range_ms), end)
    }
}

impl<'s> Engine<'s> {
    /// At each step the latest sample within the lookback, unless it says that the series has ended.
    /// `pick` takes the sample's time (ms) and value.
    pub(super) fn select_latest(
        &self,
        selector: &Selector,
        steps: Steps,
        pick: impl Fn(i64, f64) -> f64,
    ) -> Result<Frame, QueryError> {
        let mut frame = Frame { distinct: selector.named, ..Frame::new(steps.count) };
        for series in self.store.select(&selector.matchers) {
            self.charge(steps.count)?;
            let before = frame.values.len();
            let mut found = 0;
            self.each_latest(&series.samples, selector.when, steps, |sample| {
                let value = sample.map_or(ABSENT, |(t, value)| pick(t, value));
                found += usize::from(sample.is_some());
                frame.values.push(value);
            });
            self.read(found, found);
            if found > 0 {
                frame.labels.push(series.labels.clone());
            } else {
                frame.values.truncate(before);
            }
        }
        Ok(frame)
    }

    fn each_latest(&self, samples: &Samples, when: When, steps: Steps, mut visit: impl FnMut(Option<(i64, f64)>)) {
        let (times, values) = (samples.times(), samples.values());
        let mut next = times.partition_point(|t| *t <= self.moment(when, steps.start_ms));
        for t_ms in steps.times() {
            let moment = self.moment(when, t_ms);
            while times.get(next).is_some_and(|t| *t <= moment) {
                next += 1;
            }
            let latest = next.checked_sub(1).map(|index| (times[index], values[index]));
            let oldest = moment.saturating_sub(self.terms.lookback_ms);
            visit(latest.filter(|(t, value)| *t > oldest && !is_stale(*value)));
        }
    }

    /// What the windows of a range selector or subquery read.
    pub(super) fn ranges(&self, expr: &Expr, steps: Steps) -> Result<Ranges<'s>, QueryError> {
        match expr {
            Expr::Range(selector, range_ms) => self.selected_ranges(selector, *range_ms, steps),
            Expr::Subquery(subquery) => self.subquery_ranges(subquery, steps),
            // Lowering puts nothing else where a range is wanted.
            _ => Ok(Ranges { rows: Vec::new(), when: When::default(), range_ms: 0, distinct: true }),
        }
    }

    fn selected_ranges(&self, selector: &Selector, range_ms: i64, steps: Steps) -> Result<Ranges<'s>, QueryError> {
        let mut ranges = Ranges { rows: Vec::new(), when: selector.when, range_ms, distinct: selector.named };
        let (oldest, _) = ranges.window(self.moment(selector.when, steps.start_ms));
        let newest = self.moment(selector.when, steps.end_ms());
        for series in self.store.select(&selector.matchers) {
            let samples = &series.samples;
            let from = samples.times().partition_point(|t| *t <= oldest);
            let to = samples.times().partition_point(|t| *t <= newest);
            if from >= to {
                continue;
            }
            self.charge(to - from)?;
            let (times, values) = (&samples.times()[from..to], &samples.values()[from..to]);
            let row = if samples.has_stale() {
                let live = times.iter().copied().zip(values.iter().copied()).filter(|(_, value)| !is_stale(*value));
                let (times, values): (Vec<i64>, Vec<f64>) = live.unzip();
                RangeRow { labels: series.labels.clone(), times: times.into(), values: values.into() }
            } else {
                RangeRow { labels: series.labels.clone(), times: times.into(), values: values.into() }
            };
            ranges.rows.push(row);
        }
        Ok(ranges)
    }

    /// Evaluates the inner expression on a grid of its own, whose points are whole multiples of its step.
    fn subquery_ranges(&self, subquery: &Subquery, steps: Steps) -> Result<Ranges<'s>, QueryError> {
        let (when, range_ms, step_ms) = (subquery.when, subquery.range_ms, subquery.step_ms);
        let mut ranges = Ranges { rows: Vec::new(), when, range_ms, distinct: true };
        let (oldest, _) = ranges.window(self.moment(when, steps.start_ms));
        let end = self.moment(when, steps.end_ms());
        let mut start_ms = step_ms.saturating_mul(oldest / step_ms);
        if start_ms <= oldest {
            start_ms = start_ms.saturating_add(step_ms);
        }
        if start_ms > end {
            return Ok(ranges);
        }
        let count = usize::try_from((end - start_ms) / step_ms).unwrap_or(usize::MAX).saturating_add(1);
        self.charge(count)?;
        let inner = Steps { start_ms, step_ms, count };
        let frame = self.vector(&subquery.expr, inner)?;
        ranges.distinct = frame.distinct;
        for (row, labels) in frame.labels.iter().enumerate() {
            let points = inner.times().zip(frame.row(row).iter().copied());
            let (times, values): (Vec<i64>, Vec<f64>) = points.filter(|(_, value)| !is_stale(*value)).unzip();
            ranges.rows.push(RangeRow { labels: labels.clone(), times: times.into(), values: values.into() });
        }
        Ok(ranges)
    }
}

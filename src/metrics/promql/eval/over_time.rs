//! Functions of a window of samples. The formulas are those of Prometheus 3.

use super::frame::{ABSENT, Frame};
use super::sums::{Mean, Sum, quantile};
use super::{Engine, Steps};
use crate::metrics::labels::Labels;
use crate::metrics::promql::expr::Expr;
use crate::metrics::promql::value::QueryError;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::metrics::promql) enum RangeFunction {
    Rate,
    Increase,
    Delta,
    Irate,
    Idelta,
    Deriv,
    PredictLinear,
    Resets,
    Changes,
    Avg,
    Min,
    Max,
    Sum,
    Count,
    First,
    Last,
    Quantile,
    Stddev,
    Stdvar,
    Present,
}

impl RangeFunction {
    /// Whether the result is still a value of the metric.
    fn keeps_name(self) -> bool {
        matches!(self, Self::First | Self::Last)
    }
}

/// One window: `start_ms` is not part of it, `end_ms` is.
struct Window<'a> {
    times: &'a [i64],
    values: &'a [f64],
    start_ms: i64,
    end_ms: i64,
    /// When the query is evaluated; differs from the end where the selector looks elsewhere.
    t_ms: i64,
    parameter: f64,
}

impl Engine<'_> {
    pub(super) fn over_time(
        &self,
        function: RangeFunction,
        (range, parameter): (&Expr, Option<&Expr>),
        at: usize,
        steps: Steps,
    ) -> Result<Frame, QueryError> {
        let ranges = self.ranges(range, steps)?;
        let parameters = parameter.map(|parameter| self.scalar(parameter, steps)).transpose()?;
        let mut frame = Frame { distinct: ranges.distinct, ..Frame::new(steps.count) };
        for row in &ranges.rows {
            self.charge(steps.count)?;
            let before = frame.values.len();
            let (mut low, mut high, mut found) = (0, 0, false);
            for step in 0..steps.count {
                let t_ms = steps.at(step);
                let (start_ms, end_ms) = ranges.window(self.moment(ranges.when, t_ms));
                low = advance(&row.times, low, start_ms);
                let seen = high.max(low);
                high = advance(&row.times, seen, end_ms);
                self.read(high - low, high - seen);
                let parameter = parameters.as_ref().map_or(0.0, |values| values[step]);
                let (times, values) = (&row.times[low..high], &row.values[low..high]);
                if function == RangeFunction::Quantile && !values.is_empty() {
                    self.notes().quantile(parameter, at);
                }
                let value = compute(function, &Window { times, values, start_ms, end_ms, t_ms, parameter });
                found |= value.is_some();
                frame.values.push(value.unwrap_or(ABSENT));
            }
            if found {
                if matches!(function, RangeFunction::Rate | RangeFunction::Increase) {
                    self.notes().rate_of(&row.labels, at);
                }
                frame.labels.push(row.labels.clone());
            } else {
                frame.values.truncate(before);
            }
        }
        if function.keeps_name() { Ok(frame) } else { frame.without_metric() }
    }

    /// 1 at each step where no series has a sample in its window.
    pub(super) fn absent_over_time(&self, range: &Expr, labels: Labels, steps: Steps) -> Result<Frame, QueryError> {
        let present = self.over_time(RangeFunction::Count, (range, None), 0, steps);
        // Series that differ by name only are no obstacle here.
        let present = match present {
            Err(error) if error == QueryError::same_labels() => return self.absent_by_rows(range, labels, steps),
            other => other?,
        };
        Ok(absent_rows(&present, labels))
    }

    fn absent_by_rows(&self, range: &Expr, labels: Labels, steps: Steps) -> Result<Frame, QueryError> {
        let last = self.over_time(RangeFunction::Last, (range, None), 0, steps)?;
        Ok(absent_rows(&last, labels))
    }
}

/// 1 at each step where `frame` has nothing.
pub(super) fn absent_rows(frame: &Frame, labels: Labels) -> Frame {
    let absent = (0..frame.steps).map(|step| {
        let mut rows = 0..frame.rows();
        let any = rows.any(|row| !super::is_absent(frame.values[row * frame.steps + step]));
        if any { ABSENT } else { 1.0 }
    });
    Frame { labels: vec![labels], values: absent.collect(), steps: frame.steps, distinct: true }
}

/// The first place from `from` on whose time is after `limit`.
fn advance(times: &[i64], from: usize, limit: i64) -> usize {
    // Steps usually move by few samples; a jump is searched.
    let near = times[from..].iter().take(8).take_while(|t| **t <= limit).count();
    if near < 8 { from + near } else { from + times[from..].partition_point(|t| *t <= limit) }
}

fn compute(function: RangeFunction, window: &Window) -> Option<f64> {
    use RangeFunction as F;
    let values = window.values;
    if values.is_empty() {
        return None;
    }
    Some(match function {
        F::Rate => return extrapolated(window, true, true),
        F::Increase => return extrapolated(window, true, false),
        F::Delta => return extrapolated(window, false, false),
        F::Irate => return instant_value(window, true),
        F::Idelta => return instant_value(window, false),
        F::Deriv => return (values.len() > 1).then(|| regression(window, window.times[0]).0),
        F::PredictLinear => {
            let (slope, intercept) = (values.len() > 1).then(|| regression(window, window.t_ms))?;
            slope * window.parameter + intercept
        }
        F::Resets => pairs(values).filter(|(before, after)| after < before).count() as f64,
        F::Changes => pairs(values).filter(|(a, b)| changed(*a, *b)).count() as f64,
        F::Avg => {
            let mut mean = Mean::default();
            for value in values {
                mean.add(*value);
            }
            mean.mean()
        }
        F::Min => extreme(values, |best, value| value < best),
        F::Max => extreme(values, |best, value| value > best),
        F::Sum => {
            let mut sum = Sum::default();
            for value in values {
                sum.add(*value);
            }
            sum.total()
        }
        F::Count => values.len() as f64,
        F::First => values[0],
        F::Last => values[values.len() - 1],
        F::Quantile => quantile(window.parameter, &mut values.to_vec()),
        F::Stdvar => variance(values),
        F::Stddev => variance(values).sqrt(),
        F::Present => 1.0,
    })
}

#[expect(clippy::float_cmp, reason = "a change is a change, however small")]
fn differs(a: f64, b: f64) -> bool {
    a != b
}

/// NaN after NaN is no change.
fn changed(a: f64, b: f64) -> bool {
    differs(a, b) && !(a.is_nan() && b.is_nan())
}

fn pairs(values: &[f64]) -> impl Iterator<Item = (f64, f64)> {
    values.windows(2).map(|pair| (pair[0], pair[1]))
}

/// The least or greatest; NaN only when all are.
fn extreme(values: &[f64], better: impl Fn(f64, f64) -> bool) -> f64 {
    let pick = |best: f64, value: f64| if better(best, value) || best.is_nan() { value } else { best };
    values.iter().copied().fold(f64::NAN, pick)
}

/// `rate`, `increase` and `delta`: the difference between the last and first sample, resets of counters added, stretched
/// to the window's ends where the samples come near to them (within 1.1 of their average distance), otherwise by half
/// that distance; a counter is never stretched below zero.
fn extrapolated(window: &Window, counter: bool, per_second: bool) -> Option<f64> {
    let (times, values) = (window.times, window.values);
    if values.len() < 2 {
        return None;
    }
    let (first_t, last_t, first) = (times[0], times[times.len() - 1], values[0]);
    let mut change = values[values.len() - 1] - first;
    if counter {
        for (before, after) in pairs(values) {
            if after < before {
                change += before;
            }
        }
    }
    let mut to_start = (first_t - window.start_ms) as f64 / 1000.0;
    let mut to_end = (window.end_ms - last_t) as f64 / 1000.0;
    let sampled = (last_t - first_t) as f64 / 1000.0;
    let between = sampled / (values.len() - 1) as f64;
    let threshold = between * 1.1;
    if to_start >= threshold {
        to_start = between / 2.0;
    }
    if counter && change > 0.0 && first >= 0.0 {
        // Where the line through the samples meets zero.
        to_start = to_start.min(sampled * (first / change));
    }
    if to_end >= threshold {
        to_end = between / 2.0;
    }
    let mut factor = (sampled + to_start + to_end) / sampled;
    if per_second {
        factor /= (window.end_ms - window.start_ms) as f64 / 1000.0;
    }
    Some(change * factor)
}

/// `irate` and `idelta`: from the last two samples.
fn instant_value(window: &Window, rate: bool) -> Option<f64> {
    let [.., before, after] = *window.values else { return None };
    let [.., earlier, later] = *window.times else { return None };
    let reset = rate && after < before;
    let change = if reset { after } else { after - before };
    Some(if rate { change / ((later - earlier) as f64 / 1000.0) } else { change })
}

/// Slope per second and value at `at_ms` of the straight line nearest to the samples.
fn regression(window: &Window, at_ms: i64) -> (f64, f64) {
    let first = window.values[0];
    if !window.values.iter().any(|value| differs(*value, first)) {
        return if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) };
    }
    let count = window.values.len() as f64;
    let (mut sum_x, mut sum_y, mut sum_xy, mut sum_xx) =
        (Sum::default(), Sum::default(), Sum::default(), Sum::default());
    for (t, y) in window.times.iter().zip(window.values) {
        let x = (t - at_ms) as f64 / 1000.0;
        sum_x.add(x);
        sum_y.add(*y);
        sum_xy.add(x * y);
        sum_xx.add(x * x);
    }
    let (x, y) = (sum_x.sum + sum_x.rest, sum_y.sum + sum_y.rest);
    let covariance = sum_xy.sum + sum_xy.rest - x * y / count;
    let variance = sum_xx.sum + sum_xx.rest - x * x / count;
    let slope = covariance / variance;
    (slope, y / count - slope * x / count)
}

fn variance(values: &[f64]) -> f64 {
    let (mut count, mut mean, mut squares) = (0.0, Sum::default(), Sum::default());
    for value in values {
        count += 1.0;
        let delta = value - (mean.sum + mean.rest);
        mean.add(delta / count);
        squares.add(delta * (value - (mean.sum + mean.rest)));
    }
    (squares.sum + squares.rest) / count
}

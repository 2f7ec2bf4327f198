//! Functions.

use super::frame::{ABSENT, Frame, is_absent};
use super::over_time::absent_rows;
use super::sums::nan_first;
use super::{Engine, Evaluated, Steps, aggregate, date, histogram, label_functions};
use crate::metrics::labels::Labels;
use crate::metrics::promql::expr::{Call, Expr};
use crate::metrics::promql::value::QueryError;
use crate::metrics::store::{MatchKind, Matcher};

impl Engine<'_> {
    pub(super) fn call(&self, call: &Call, steps: Steps) -> Result<Evaluated, QueryError> {
        let frame = match call {
            Call::Time => return Ok(Evaluated::Scalar(seconds(steps))),
            Call::Pi => return Ok(Evaluated::Scalar(vec![std::f64::consts::PI; steps.count])),
            Call::Scalar(expr) => return Ok(Evaluated::Scalar(only_values(&self.vector(expr, steps)?))),
            Call::Vector(expr) => Frame::single(self.scalar(expr, steps)?),
            Call::Timestamp(expr) => self.timestamp(expr, steps)?,
            Call::Absent(expr) => absent_rows(&self.vector(expr, steps)?, absent_labels(expr)),
            Call::AbsentOverTime(range) => self.absent_over_time(range, absent_labels(range), steps)?,
            Call::OverTime { function, range, parameter, at } => {
                self.over_time(*function, (range, parameter.as_ref()), *at, steps)?
            }
            Call::Math(function, expr) => {
                let mut frame = self.vector(expr, steps)?;
                frame.map(function);
                frame.without_metric()?
            }
            Call::Round(expr, nearest) => self.round(expr, nearest.as_ref(), steps)?,
            Call::Clamp(expr, least, most) => self.clamp(expr, least.as_ref(), most.as_ref(), steps)?,
            Call::Date(part, Some(expr)) => date::over(*part, self.vector(expr, steps)?).without_metric()?,
            Call::Date(part, None) => date::over(*part, Frame::single(whole_seconds(steps))),
            Call::Sort { descending, expr, at } => {
                if self.start_ms != self.end_ms {
                    self.notes().useless_sort(*at);
                }
                sort(self.vector(expr, steps)?, *descending)
            }
            Call::HistogramQuantile { q, expr, q_at, at } => self.histogram_quantile((q, *q_at), (expr, *at), steps)?,
            Call::HistogramFraction { lower, upper, expr, at } => {
                let (lower, upper) = (self.scalar(lower, steps)?, self.scalar(upper, steps)?);
                let frame = self.vector(expr, steps)?;
                let compute = |step: usize, buckets: &mut _| histogram::fraction(lower[step], upper[step], buckets);
                histogram::each(&frame, |limit| self.notes().bad_bucket(limit, *at), compute)
            }
            Call::NativeHistogram(expr) => {
                self.vector(expr, steps)?;
                Frame::new(steps.count)
            }
            Call::LabelReplace { expr, to, replacement, from, pattern } => {
                label_functions::replace(self.vector(expr, steps)?, to, replacement, from, pattern)?
            }
            Call::LabelJoin { expr, to, separator, from } => {
                label_functions::join(self.vector(expr, steps)?, to, separator, from)?
            }
        };
        Ok(Evaluated::Vector(frame))
    }

    /// The arguments with their places in the query.
    fn histogram_quantile(
        &self,
        (q, q_at): (&Expr, usize),
        (expr, at): (&Expr, usize),
        steps: Steps,
    ) -> Result<Frame, QueryError> {
        let (q, frame) = (self.scalar(q, steps)?, self.vector(expr, steps)?);
        q.iter().for_each(|q| self.notes().quantile(*q, q_at));
        let compute = |step: usize, buckets: &mut _| {
            let (value, forced) = histogram::quantile(q[step], buckets, steps.at(step));
            if let Some(forced) = forced {
                self.notes().forced_monotonicity(forced, at);
            }
            value
        };
        Ok(histogram::each(&frame, |limit| self.notes().bad_bucket(limit, at), compute))
    }

    /// Of a selector the time of its samples, of any other vector the time of evaluation; in seconds.
    fn timestamp(&self, expr: &Expr, steps: Steps) -> Result<Frame, QueryError> {
        if let Expr::Selector(selector) = expr {
            return self.select_latest(selector, steps, |t_ms, _| t_ms as f64 / 1000.0)?.without_metric();
        }
        let mut frame = self.vector(expr, steps)?;
        frame.map_steps(|step, _| steps.at(step) as f64 / 1000.0);
        frame.without_metric()
    }

    /// To the nearest multiple, halves upwards.
    fn round(&self, expr: &Expr, nearest: Option<&Expr>, steps: Steps) -> Result<Frame, QueryError> {
        let mut frame = self.vector(expr, steps)?;
        let nearest = nearest.map(|nearest| self.scalar(nearest, steps)).transpose()?;
        frame.map_steps(|step, value| {
            let inverse = 1.0 / nearest.as_ref().map_or(1.0, |nearest| nearest[step]);
            (value * inverse + 0.5).floor() / inverse
        });
        frame.without_metric()
    }

    /// Within limits; nothing where the limits cross.
    fn clamp(&self, expr: &Expr, least: Option<&Expr>, most: Option<&Expr>, steps: Steps) -> Result<Frame, QueryError> {
        let mut frame = self.vector(expr, steps)?;
        let limits = |limit: Option<&Expr>, none: f64| match limit {
            Some(limit) => self.scalar(limit, steps),
            None => Ok(vec![none; steps.count]),
        };
        let (least, most) = (limits(least, f64::NEG_INFINITY)?, limits(most, f64::INFINITY)?);
        frame.map_steps(|step, value| {
            let (least, most) = (least[step], most[step]);
            if most < least { ABSENT } else { max(least, min(most, value)) }
        });
        frame.without_metric()
    }
}

/// Go's `math.Min`: NaN if either is.
fn min(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.min(b) }
}

/// Go's `math.Max`.
fn max(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

fn seconds(steps: Steps) -> Vec<f64> {
    (0..steps.count).map(|step| steps.at(step) as f64 / 1000.0).collect()
}

fn whole_seconds(steps: Steps) -> Vec<f64> {
    (0..steps.count).map(|step| (steps.at(step) / 1000) as f64).collect()
}

/// The value of the only row that has one, per step; NaN where there is not exactly one.
fn only_values(frame: &Frame) -> Vec<f64> {
    let at = |step: usize| {
        let values = (0..frame.rows()).map(|row| frame.values[row * frame.steps + step]);
        let mut present = values.filter(|value| !is_absent(*value));
        match (present.next(), present.next()) {
            (Some(value), None) => value,
            _ => f64::NAN,
        }
    };
    (0..frame.steps).map(at).collect()
}

/// By value, NaN last in both directions. Only an answer at one time has an order.
fn sort(frame: Frame, descending: bool) -> Frame {
    if frame.steps != 1 {
        return frame;
    }
    let mut order: Vec<usize> = (0..frame.rows()).collect();
    order.sort_by(|a, b| {
        let (a, b) = (frame.values[*a], frame.values[*b]);
        let by_value = if descending { nan_first(b, a) } else { nan_first(a, b) };
        if a.is_nan() || b.is_nan() { a.is_nan().cmp(&b.is_nan()) } else { by_value }
    });
    aggregate::reordered(&frame, &order)
}

/// What a selector says for sure about its series: labels that it compares once, with `=`.
fn absent_labels(expr: &Expr) -> Labels {
    let (Expr::Selector(selector) | Expr::Range(selector, _)) = expr else { return Labels::empty() };
    let mut labels = Labels::empty();
    let mut seen: Vec<&str> = Vec::new();
    let others = selector.matchers.iter().filter(|matcher| matcher.name() != crate::metrics::labels::METRIC_NAME);
    for matcher in others {
        let sure = matcher.kind() == MatchKind::Equal && !seen.contains(&matcher.name());
        labels = labels.with(matcher.name(), if sure { matcher.value() } else { "" });
        if matcher.kind() == MatchKind::Equal {
            seen.push(Matcher::name(matcher));
        }
    }
    labels
}

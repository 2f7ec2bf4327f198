//! Whether a value is within a metric's limits, and Flagger's words where it is not.

use crate::model::canary::Metric;
use crate::model::duration;
use std::time::Duration;

/// Which way a plain `threshold` bounds a metric: request-success-rate from below, all others from above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    Below,
    Above,
}

/// A metric's limits; equal passes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limits {
    pub min: Option<f64>,
    pub max: Option<f64>,
}

impl Limits {
    /// `thresholdRange` where there is one, else `threshold` (0 where that is missing too).
    #[must_use]
    pub fn of(metric: &Metric, bound: Bound) -> Self {
        if let Some(range) = metric.threshold_range {
            return Self { min: range.min, max: range.max };
        }
        let threshold = Some(metric.threshold.unwrap_or(0.0));
        match bound {
            Bound::Below => Self { min: threshold, max: None },
            Bound::Above => Self { min: None, max: threshold },
        }
    }

    /// The limit that `value` breaks, with the sign that Flagger prints between them.
    fn broken_by(self, value: f64) -> Option<(char, f64)> {
        if let Some(min) = self.min.filter(|min| value < *min) {
            return Some(('<', min));
        }
        self.max.filter(|max| value > *max).map(|max| ('>', max))
    }
}

/// What follows `Halt {c}.{ns} advancement ` for a success rate in percent; nothing where it passes.
#[must_use]
pub fn success_rate(value: f64, limits: Limits) -> Option<String> {
    let (sign, limit) = limits.broken_by(value)?;
    Some(format!("success rate {}% {sign} {}%", two_decimals(value), shortest(limit)))
}

/// The same for a request duration; the limits are milliseconds, of which only whole ones count.
#[must_use]
pub fn request_duration(millis: i64, limits: Limits) -> Option<String> {
    let whole = |limit: f64| limit.trunc();
    let limits = Limits { min: limits.min.map(whole), max: limits.max.map(whole) };
    let (sign, limit) = limits.broken_by(millis as f64)?;
    Some(format!("request duration {} {sign} {}", go_millis(millis), go_millis(limit as i64)))
}

/// The same for any other metric.
#[must_use]
pub fn other(name: &str, value: f64, limits: Limits) -> Option<String> {
    let (sign, limit) = limits.broken_by(value)?;
    Some(format!("{name} {} {sign} {}", two_decimals(value), shortest(limit)))
}

fn go_millis(millis: i64) -> String {
    let text = duration::go(Duration::from_millis(millis.unsigned_abs()));
    if millis < 0 { format!("-{text}") } else { text }
}

/// Go's `%.2f`.
fn two_decimals(value: f64) -> String {
    if value.is_infinite() { infinite(value) } else { format!("{value:.2}") }
}

fn infinite(value: f64) -> String {
    if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
}

/// Go's `%v` of a float: the shortest digits, with an exponent below 1e-4 and from 1e21 on.
fn shortest(value: f64) -> String {
    if value.is_infinite() {
        return infinite(value);
    }
    let size = value.abs();
    if value == 0.0 || (1e-4..1e21).contains(&size) {
        return format!("{value}");
    }
    let text = format!("{value:e}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |it| ('-', it));
    format!("{digits}e{sign}{exponent:0>2}")
}

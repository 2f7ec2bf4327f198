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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::canary::ThresholdRange;

    fn range(min: Option<f64>, max: Option<f64>) -> Limits {
        let metric = Metric { threshold_range: Some(ThresholdRange { min, max }), ..Metric::default() };
        Limits::of(&metric, Bound::Above)
    }

    fn threshold(threshold: f64, bound: Bound) -> Limits {
        Limits::of(&Metric { threshold: Some(threshold), ..Metric::default() }, bound)
    }

    #[test]
    fn a_success_rate_halts_below_and_above_and_equal_passes() {
        for (value, limits, words) in [
            (99.0, range(Some(99.0), None), None),
            (98.996, range(Some(99.0), None), Some("success rate 99.00% < 99%")),
            (71.428_571, range(Some(99.5), None), Some("success rate 71.43% < 99.5%")),
            (0.0, range(Some(99.0), None), Some("success rate 0.00% < 99%")),
            (99.9, range(None, Some(99.5)), Some("success rate 99.90% > 99.5%")),
            (0.0, range(None, None), None),
            (98.0, threshold(99.0, Bound::Below), Some("success rate 98.00% < 99%")),
            (99.0, threshold(99.0, Bound::Below), None),
        ] {
            assert_eq!(success_rate(value, limits).as_deref(), words, "{value} in {limits:?}");
        }
    }

    #[test]
    fn a_duration_is_written_as_go_does_and_its_limits_lose_their_fraction() {
        for (millis, limits, words) in [
            (1515, range(None, Some(500.0)), Some("request duration 1.515s > 500ms")),
            (500, range(None, Some(500.0)), None),
            (60_000, range(None, Some(59_999.9)), Some("request duration 1m0s > 59.999s")),
            (1, range(None, Some(0.5)), Some("request duration 1ms > 0s")),
            (0, range(None, Some(0.5)), None),
            (5, range(Some(10.9), None), Some("request duration 5ms < 10ms")),
            (5, range(None, Some(-1.5)), Some("request duration 5ms > -1ms")),
            (501, threshold(500.0, Bound::Above), Some("request duration 501ms > 500ms")),
        ] {
            assert_eq!(request_duration(millis, limits).as_deref(), words, "{millis} in {limits:?}");
        }
    }

    #[test]
    fn other_metrics_print_two_decimals_and_the_shortest_limit() {
        for (value, limits, words) in [
            (0.5, range(None, Some(0.25)), Some("errors 0.50 > 0.25")),
            (7.0, range(Some(7.5), None), Some("errors 7.00 < 7.5")),
            (1.0, Limits::of(&Metric::default(), Bound::Above), Some("errors 1.00 > 0")),
            (f64::INFINITY, range(None, Some(1e21)), Some("errors +Inf > 1e+21")),
            (0.1, range(None, Some(0.000_05)), Some("errors 0.10 > 5e-05")),
        ] {
            assert_eq!(other("errors", value, limits).as_deref(), words, "{value} in {limits:?}");
        }
    }

    #[test]
    fn a_range_wins_over_a_threshold() {
        let range = ThresholdRange { min: None, max: Some(5.0) };
        let metric = Metric { threshold: Some(1.0), threshold_range: Some(range), ..Metric::default() };
        assert_eq!(Limits::of(&metric, Bound::Above), Limits { min: None, max: Some(5.0) });
    }
}

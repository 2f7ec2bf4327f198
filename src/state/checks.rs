//! One check of the analysis: its limits, its latest value, its values over time.

use super::ring::{Point, Series};
use super::{MAX_POINTS, words};
use crate::event::Check;

/// A check as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckState {
    pub check: Check,
    /// None until it was measured.
    pub latest: Option<Point>,
    pub series: Series,
    /// How many measurements were outside the limits.
    pub violations: u64,
}

impl CheckState {
    #[must_use]
    pub fn new(check: &Check) -> Self {
        Self { check: check.clone(), latest: None, series: Series::new(MAX_POINTS), violations: 0 }
    }

    /// A measurement that the policy does not name is shown too, without limits.
    #[must_use]
    pub fn unlimited(name: &str) -> Self {
        Self::new(&Check { name: name.to_owned(), unit: String::new(), min: None, max: None, window_ms: 0 })
    }

    pub(super) fn take(&mut self, at_ms: u64, value: Option<f64>) {
        let point = Point { at_ms, value, violated: value.is_some_and(|it| self.is_outside(it)) };
        self.violations += u64::from(point.violated);
        self.latest = Some(point);
        self.series.push(point);
    }

    /// Whether a value breaks a limit. A value equal to its limit passes, as in Flagger.
    #[must_use]
    pub fn is_outside(&self, value: f64) -> bool {
        self.check.min.is_some_and(|min| value < min) || self.check.max.is_some_and(|max| value > max)
    }

    /// Latest value, none if it was not measured or had none.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        self.latest.and_then(|it| it.value)
    }

    #[must_use]
    pub fn is_violated(&self) -> bool {
        self.latest.is_some_and(|it| it.violated)
    }

    /// The latest value beside its limit: `71.43 < 99`; empty before the first measurement.
    #[must_use]
    pub fn against_limit(&self) -> String {
        self.latest.map(|it| words::against(&self.check, it.value)).unwrap_or_default()
    }

    /// `success rate`, `latency`, or the check's own name.
    #[must_use]
    pub fn label(&self) -> &str {
        words::check_label(&self.check.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_equal_to_its_limit_passes() {
        let check = Check { name: "c".into(), unit: "%".into(), min: Some(99.0), max: Some(100.0), window_ms: 1 };
        let mut state = CheckState::new(&check);
        for (value, violated) in [(Some(99.0), false), (Some(98.99), true), (Some(100.1), true), (None, false)] {
            state.take(1, value);
            assert_eq!(state.is_violated(), violated, "{value:?}");
        }
        assert_eq!((state.violations, state.series.points().count()), (2, 4));
    }
}

//! The samples of one series.

use super::is_stale;

/// Times and values side by side, so that a window is a slice. What has expired stays in front until it is worth
/// moving the rest.
#[derive(Debug, Default, Clone)]
pub struct Samples {
    times: Vec<i64>,
    values: Vec<f64>,
    /// Index of the first sample that still counts.
    start: usize,
    /// Staleness markers among the samples that count.
    stale: usize,
}

impl Samples {
    pub(super) fn push(&mut self, t_ms: i64, value: f64) {
        self.times.push(t_ms);
        self.values.push(value);
        self.stale += usize::from(is_stale(value));
    }

    /// Drops the samples at `oldest_ms` and before; says how many.
    pub(super) fn drop_until(&mut self, oldest_ms: i64) -> usize {
        if self.times.get(self.start).is_none_or(|first| *first > oldest_ms) {
            return 0;
        }
        let dropped = self.times[self.start..].partition_point(|t| *t <= oldest_ms);
        let end = self.start + dropped;
        self.stale -= self.values[self.start..end].iter().filter(|value| is_stale(**value)).count();
        self.start = end;
        if self.start > self.times.len() / 2 {
            self.times.drain(..self.start);
            self.values.drain(..self.start);
            self.start = 0;
        }
        dropped
    }

    /// Milliseconds since 1970, ascending, each once.
    #[must_use]
    pub fn times(&self) -> &[i64] {
        &self.times[self.start..]
    }

    /// As long as [`Samples::times`]; staleness markers included.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values[self.start..]
    }

    /// Whether a staleness marker is among the values.
    #[must_use]
    pub fn has_stale(&self) -> bool {
        self.stale > 0
    }

    /// The newest sample.
    #[must_use]
    pub fn last(&self) -> Option<(i64, f64)> {
        Some((*self.times().last()?, *self.values().last()?))
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.times.len() - self.start
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

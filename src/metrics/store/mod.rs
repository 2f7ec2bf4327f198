//! Samples in memory, bounded in time, series and samples.
//!
//! In: samples with their time, in order per series. Out: series chosen by matchers, with their samples.
//! Never: the clock, PromQL.

mod matcher;
mod samples;

pub(crate) use matcher::anchored;
pub use matcher::{MatchKind, Matcher, MatcherError};
pub use samples::Samples;

use super::labels::{Labels, METRIC_NAME};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How far back samples are kept when nothing else is said: 6 h, in milliseconds.
pub const DEFAULT_RETENTION_MS: i64 = 6 * 3_600_000;
/// How many series there may be at once when nothing else is said.
pub const DEFAULT_MAX_SERIES: usize = 100_000;
/// How many samples there may be in all when nothing else is said (16 bytes each).
pub const DEFAULT_MAX_SAMPLES: usize = 20_000_000;

/// The value that says a series has ended: Prometheus' stale NaN, known by its bits.
pub const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// Says whether a value is the staleness marker.
#[must_use]
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE.to_bits()
}

/// What a store may hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Samples older than the newest by more than this are dropped, in milliseconds.
    pub retention_ms: i64,
    pub max_series: usize,
    pub max_samples: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { retention_ms: DEFAULT_RETENTION_MS, max_series: DEFAULT_MAX_SERIES, max_samples: DEFAULT_MAX_SAMPLES }
    }
}

/// A handle on a series, cheaper than its labels. Stays valid until the series is dropped, then names nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(u64);

/// Labels and samples.
#[derive(Debug)]
pub struct Series {
    pub labels: Labels,
    pub samples: Samples,
}

/// Why a sample was not taken. The first two texts are Prometheus'.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The series has a newer sample.
    #[error("out of order sample")]
    OutOfOrder,
    /// The series has a sample at that time with another value.
    #[error("duplicate sample for timestamp")]
    Duplicate,
    #[error("the store is full: {limit} series; raise the limit or expose fewer label values")]
    TooManySeries { limit: usize },
    #[error("the store is full: {limit} samples; shorten the retention or scrape less often")]
    TooManySamples { limit: usize },
    /// The handle's series was dropped.
    #[error("the series is no longer there; append by its labels")]
    Gone,
}

/// The store. See the module page.
#[derive(Debug, Default)]
pub struct Store {
    limits: Limits,
    series: BTreeMap<SeriesId, Series>,
    by_labels: BTreeMap<Labels, SeriesId>,
    /// In order of creation within a name.
    by_name: BTreeMap<Arc<str>, Vec<SeriesId>>,
    next: u64,
    samples: usize,
    newest_ms: Option<i64>,
}

impl Store {
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Appends a sample at `t_ms` (milliseconds since 1970) to the series with these labels, which is made when new.
    /// The same sample again is accepted and changes nothing.
    pub fn append(&mut self, labels: &Labels, t_ms: i64, value: f64) -> Result<SeriesId, AppendError> {
        let id = match self.by_labels.get(labels) {
            Some(id) => *id,
            None => self.create(labels)?,
        };
        self.append_to(id, t_ms, value)?;
        Ok(id)
    }

    /// As [`Store::append`], by handle.
    pub fn append_to(&mut self, id: SeriesId, t_ms: i64, value: f64) -> Result<(), AppendError> {
        let series = self.series.get_mut(&id).ok_or(AppendError::Gone)?;
        match series.samples.last() {
            Some((last, _)) if t_ms < last => return Err(AppendError::OutOfOrder),
            Some((last, old)) if t_ms == last => {
                let same = old.to_bits() == value.to_bits();
                return if same { Ok(()) } else { Err(AppendError::Duplicate) };
            }
            _ => {}
        }
        let dropped = series.samples.drop_until(t_ms.saturating_sub(self.limits.retention_ms));
        self.samples -= dropped;
        if self.samples >= self.limits.max_samples {
            return Err(AppendError::TooManySamples { limit: self.limits.max_samples });
        }
        series.samples.push(t_ms, value);
        self.samples += 1;
        self.newest_ms = Some(self.newest_ms.map_or(t_ms, |newest| newest.max(t_ms)));
        Ok(())
    }

    fn create(&mut self, labels: &Labels) -> Result<SeriesId, AppendError> {
        if self.series.len() >= self.limits.max_series {
            return Err(AppendError::TooManySeries { limit: self.limits.max_series });
        }
        let id = SeriesId(self.next);
        self.next += 1;
        self.series.insert(id, Series { labels: labels.clone(), samples: Samples::default() });
        self.by_labels.insert(labels.clone(), id);
        self.by_name.entry(labels.metric_name().into()).or_default().push(id);
        Ok(id)
    }

    /// Drops what is older than the retention, and series that have nothing left. To be called now and then: a series
    /// that is appended to trims itself, one that ended does not.
    pub fn truncate(&mut self) {
        let Some(newest) = self.newest_ms else { return };
        let oldest = newest.saturating_sub(self.limits.retention_ms);
        let mut gone = Vec::new();
        for (id, series) in &mut self.series {
            self.samples -= series.samples.drop_until(oldest);
            if series.samples.is_empty() {
                gone.push(*id);
            }
        }
        for id in gone {
            self.remove(id);
        }
    }

    fn remove(&mut self, id: SeriesId) {
        let Some(series) = self.series.remove(&id) else { return };
        self.samples -= series.samples.len();
        self.by_labels.remove(&series.labels);
        let name = series.labels.metric_name();
        if let Some(ids) = self.by_name.get_mut(name) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_name.remove(name);
            }
        }
    }

    /// The series that all matchers accept, in order of creation within a metric name.
    pub fn select<'m, 's: 'm>(&'s self, matchers: &'m [Matcher]) -> impl Iterator<Item = &'s Series> + use<'m, 's> {
        let exact = matchers.iter().find(|matcher| matcher.is_exact(METRIC_NAME));
        // A range of one name, or of all.
        let names: Box<dyn Iterator<Item = &'s Vec<SeriesId>> + 'm> = if let Some(matcher) = exact {
            Box::new(self.by_name.get(matcher.value()).into_iter())
        } else {
            let fits = move |name: &str| {
                let mut on_name = matchers.iter().filter(|matcher| matcher.name() == METRIC_NAME);
                on_name.all(|matcher| matcher.accepts(name))
            };
            Box::new(self.by_name.iter().filter(move |(name, _)| fits(name)).map(|(_, ids)| ids))
        };
        let others = move |series: &&Series| {
            let mut rest = matchers.iter().filter(|matcher| matcher.name() != METRIC_NAME);
            rest.all(|matcher| matcher.accepts(series.labels.get(matcher.name())))
        };
        names.flatten().filter_map(|id| self.series.get(id)).filter(others)
    }

    /// Whether there is a series with exactly these labels.
    #[must_use]
    pub fn contains(&self, labels: &Labels) -> bool {
        self.by_labels.contains_key(labels)
    }

    /// Every series, in order of creation.
    pub fn all(&self) -> impl Iterator<Item = &Series> {
        self.series.values()
    }

    #[must_use]
    pub fn get(&self, id: SeriesId) -> Option<&Series> {
        self.series.get(&id)
    }

    /// How many series there are.
    #[must_use]
    pub fn series_count(&self) -> usize {
        self.series.len()
    }

    /// How many samples there are in all.
    #[must_use]
    pub fn sample_count(&self) -> usize {
        self.samples
    }

    /// Keeps samples so long from now on, in milliseconds.
    pub fn set_retention(&mut self, retention_ms: i64) {
        self.limits.retention_ms = retention_ms;
    }

    /// What it may hold.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The time of the newest sample.
    #[must_use]
    pub fn newest_ms(&self) -> Option<i64> {
        self.newest_ms
    }
}

#[cfg(test)]
mod tests;

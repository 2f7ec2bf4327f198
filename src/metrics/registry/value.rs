//! The three kinds of series.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A float that many hands may add to.
#[derive(Debug, Clone, Default)]
struct Cell(Arc<AtomicU64>);

impl Cell {
    fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    fn add(&self, value: f64) {
        let add = |bits| Some((f64::from_bits(bits) + value).to_bits());
        // The closure always gives a value, so the update cannot fail.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }
}

/// A count that only grows.
#[derive(Debug, Clone, Default)]
pub struct Counter(Cell);

impl Counter {
    pub fn inc(&self) {
        self.inc_by(1.0);
    }

    /// Adds `by`; negative or NaN amounts are ignored, because a counter never falls.
    pub fn inc_by(&self, by: f64) {
        if by > 0.0 {
            self.0.add(by);
        }
    }

    #[must_use]
    pub fn get(&self) -> f64 {
        self.0.get()
    }
}

/// A value that goes up and down.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Cell);

impl Gauge {
    pub fn set(&self, value: f64) {
        self.0.set(value);
    }

    pub fn add(&self, by: f64) {
        self.0.add(by);
    }

    pub fn inc(&self) {
        self.0.add(1.0);
    }

    pub fn dec(&self) {
        self.0.add(-1.0);
    }

    #[must_use]
    pub fn get(&self) -> f64 {
        self.0.get()
    }
}

/// Observations counted by upper limits. Classic buckets.
#[derive(Debug, Clone)]
pub struct Histogram {
    limits: Arc<[f64]>,
    state: Arc<Mutex<Counts>>,
}

#[derive(Debug, Clone)]
pub(super) struct Counts {
    /// Per bucket, not cumulative; the last one is `+Inf`.
    pub(super) buckets: Vec<u64>,
    pub(super) sum: f64,
}

impl Histogram {
    pub(super) fn new(limits: Arc<[f64]>) -> Self {
        let counts = Counts { buckets: vec![0; limits.len() + 1], sum: 0.0 };
        Self { limits, state: Arc::new(Mutex::new(counts)) }
    }

    /// Counts one observation in the first bucket whose limit is not below it.
    pub fn observe(&self, value: f64) {
        let bucket = self.limits.partition_point(|limit| *limit < value);
        let mut counts = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // NaN compares false and would land in the first bucket; Go puts it into +Inf.
        let bucket = if value.is_nan() { self.limits.len() } else { bucket };
        if let Some(count) = counts.buckets.get_mut(bucket) {
            *count += 1;
        }
        counts.sum += value;
    }

    #[must_use]
    pub fn count(&self) -> u64 {
        self.read().buckets.iter().sum()
    }

    #[must_use]
    pub fn sum(&self) -> f64 {
        self.read().sum
    }

    pub(super) fn limits(&self) -> &[f64] {
        &self.limits
    }

    pub(super) fn read(&self) -> Counts {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

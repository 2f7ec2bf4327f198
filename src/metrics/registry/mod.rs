//! Metrics that a part of the lab exposes: counters, gauges and histograms with labels, and their text form byte for
//! byte as Prometheus' Go client writes it (families by name, series by label values, labels by name).
//!
//! Handles are cheap to clone, `Send` and `Sync`; updating a series that is held takes no lock but the histogram's own.
//!
//! ```
//! use coalmine::metrics::Registry;
//! let registry = Registry::new();
//! let requests = registry.counter_vec("http_requests_total", "The total number of HTTP requests.", &["status"]);
//! requests.with(&["200"]).inc();
//! assert_eq!(
//!     registry.encode(),
//!     "# HELP http_requests_total The total number of HTTP requests.\n# TYPE http_requests_total counter\n\
//!      http_requests_total{status=\"200\"} 1\n"
//! );
//! ```

mod encode;
mod family;
mod value;

pub(crate) use encode::escape;
pub use family::Family;
pub use value::{Counter, Gauge, Histogram};

use family::AnyFamily;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Counters of one name.
pub type CounterVec = Family<Counter>;
/// Gauges of one name.
pub type GaugeVec = Family<Gauge>;
/// Histograms of one name.
pub type HistogramVec = Family<Histogram>;

/// The bucket limits that Prometheus' Go client uses when none are given, in seconds.
pub const DEFAULT_BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What one process exposes at `/metrics`. Clones are handles on the same registry.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    families: Arc<Mutex<BTreeMap<String, AnyFamily>>>,
}

impl Registry {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers counters called `name`, or gives those already registered under it.
    ///
    /// # Panics
    /// When `name` is registered with another type or other labels: names are constants of the program, as in Go's
    /// `MustRegister`.
    pub fn counter_vec(&self, name: &str, help: &str, labels: &[&str]) -> CounterVec {
        self.register(name, || Family::new(name, help, labels, Counter::default))
    }

    /// Registers gauges; otherwise as [`Registry::counter_vec`].
    ///
    /// # Panics
    /// As [`Registry::counter_vec`].
    pub fn gauge_vec(&self, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
        self.register(name, || Family::new(name, help, labels, Gauge::default))
    }

    /// Registers histograms whose upper limits are `buckets`, ascending, without `+Inf` (which every histogram has);
    /// otherwise as [`Registry::counter_vec`].
    ///
    /// # Panics
    /// As [`Registry::counter_vec`], and when `buckets` do not ascend.
    pub fn histogram_vec(&self, name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
        assert!(buckets.is_sorted_by(|a, b| a < b), "the buckets of {name} must ascend");
        let limits: Arc<[f64]> = buckets.iter().copied().filter(|limit| *limit != f64::INFINITY).collect();
        self.register(name, || Family::new(name, help, labels, move || Histogram::new(limits.clone())))
    }

    fn register<T>(&self, name: &str, make: impl FnOnce() -> Family<T>) -> Family<T>
    where
        T: Clone,
        Family<T>: Into<AnyFamily> + TryFrom<AnyFamily>,
    {
        let mut families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        let new = make();
        let Some(old) = families.get(name) else {
            families.insert(name.to_owned(), new.clone().into());
            return new;
        };
        assert!(old.labels() == new.labels(), "{name} is already registered with other labels");
        let old = Family::<T>::try_from(old.clone());
        old.unwrap_or_else(|_| unreachable!("{name} is already registered as another type"))
    }

    /// The text format, version 0.0.4: what a scrape of this process reads. Families without series are left out.
    #[must_use]
    pub fn encode(&self) -> String {
        let families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = String::new();
        for family in families.values() {
            family.encode(&mut out);
        }
        out
    }
}

#[cfg(test)]
mod tests;

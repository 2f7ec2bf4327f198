//! All series of one name.

use super::{Counter, Gauge, Histogram};
use std::cmp::Ordering;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Series of one name and type, told apart by label values. Clones are handles on the same family.
pub struct Family<T>(Arc<Inner<T>>);

struct Inner<T> {
    name: String,
    help: String,
    /// As declared.
    labels: Vec<String>,
    /// Indices into `labels`, ordered by label name: the order in which labels are written and series are compared.
    order: Vec<usize>,
    make: Box<dyn Fn() -> T + Send + Sync>,
    /// Ordered by label values in `order`.
    series: Mutex<Vec<(Box<[String]>, T)>>,
}

impl<T> Clone for Family<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for Family<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Family").field("name", &self.0.name).field("labels", &self.0.labels).finish_non_exhaustive()
    }
}

impl<T: Clone> Family<T> {
    pub(super) fn new(name: &str, help: &str, labels: &[&str], make: impl Fn() -> T + Send + Sync + 'static) -> Self {
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.sort_by_key(|index| labels[*index]);
        let labels = labels.iter().map(|&label| label.to_owned()).collect();
        let series = Mutex::default();
        Self(Arc::new(Inner {
            name: name.to_owned(),
            help: help.to_owned(),
            labels,
            order,
            make: Box::new(make),
            series,
        }))
    }

    /// The series with these label values, in the order in which the labels were declared; made when it is new.
    ///
    /// # Panics
    /// When the number of values is not that of the labels, as Go's `With`.
    #[must_use]
    pub fn with(&self, values: &[&str]) -> T {
        assert!(values.len() == self.0.labels.len(), "{} has the labels {:?}", self.0.name, self.0.labels);
        let mut series = self.0.series.lock().unwrap_or_else(PoisonError::into_inner);
        match series.binary_search_by(|(key, _)| self.compare(key, values)) {
            Ok(place) => series[place].1.clone(),
            Err(place) => {
                let key = self.0.order.iter().map(|index| values[*index].to_owned()).collect();
                let made = (self.0.make)();
                series.insert(place, (key, made.clone()));
                made
            }
        }
    }

    /// Removes one series; says whether it was there. Handles on it stay usable and are no longer exposed.
    pub fn remove(&self, values: &[&str]) -> bool {
        let mut series = self.0.series.lock().unwrap_or_else(PoisonError::into_inner);
        let place = series.binary_search_by(|(key, _)| self.compare(key, values));
        place.map(|place| series.remove(place)).is_ok()
    }

    /// Removes every series whose `label` has `value`; says how many there were.
    pub fn remove_matching(&self, label: &str, value: &str) -> usize {
        let Some(place) = self.0.order.iter().position(|index| self.0.labels[*index] == label) else { return 0 };
        let mut series = self.0.series.lock().unwrap_or_else(PoisonError::into_inner);
        let before = series.len();
        series.retain(|(key, _)| key[place] != value);
        before - series.len()
    }

    /// Removes all series.
    pub fn clear(&self) {
        self.0.series.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn compare(&self, key: &[String], values: &[&str]) -> Ordering {
        key.iter()
            .map(String::as_str)
            .cmp(self.0.order.iter().map(|index| values.get(*index).copied().unwrap_or_default()))
    }

    pub(super) fn name(&self) -> &str {
        &self.0.name
    }

    pub(super) fn help(&self) -> &str {
        &self.0.help
    }

    pub(super) fn labels(&self) -> &[String] {
        &self.0.labels
    }

    /// Label names in the order of the values that [`Family::each`] gives.
    pub(super) fn ordered_labels(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.order.iter().map(|index| self.0.labels[*index].as_str())
    }

    /// Every series in order, with its label values.
    pub(super) fn each(&self, mut visit: impl FnMut(&[String], &T)) {
        for (key, value) in self.0.series.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            visit(key, value);
        }
    }
}

/// A family of any type, as the registry keeps it.
#[derive(Debug, Clone)]
pub(super) enum AnyFamily {
    Counter(Family<Counter>),
    Gauge(Family<Gauge>),
    Histogram(Family<Histogram>),
}

impl AnyFamily {
    pub(super) fn labels(&self) -> &[String] {
        match self {
            Self::Counter(family) => family.labels(),
            Self::Gauge(family) => family.labels(),
            Self::Histogram(family) => family.labels(),
        }
    }
}

/// The registry holds another type under that name.
pub(super) struct OtherType;

macro_rules! conversions {
    ($($kind:ident),*) => {$(
        impl From<Family<$kind>> for AnyFamily {
            fn from(family: Family<$kind>) -> Self {
                Self::$kind(family)
            }
        }

        impl TryFrom<AnyFamily> for Family<$kind> {
            type Error = OtherType;

            fn try_from(family: AnyFamily) -> Result<Self, OtherType> {
                if let AnyFamily::$kind(family) = family { Ok(family) } else { Err(OtherType) }
            }
        }
    )*};
}
conversions!(Counter, Gauge, Histogram);

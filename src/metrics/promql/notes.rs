//! Remarks on an answer that is given all the same: Prometheus' `warnings` and `infos`.

use super::syntax::place;
use crate::metrics::labels::{METRIC_NAME, Quoted};
use crate::metrics::number;
use indexmap::IndexMap;

/// How many of each are told; the rest is counted.
const MAX_TOLD: usize = 10;

/// What was noticed while a query was evaluated. A remark is kept once, at the last place where it was made.
#[derive(Debug, Default)]
pub(super) struct Notes(IndexMap<String, Note>);

#[derive(Debug)]
struct Note {
    warning: bool,
    /// Where in the query, in bytes.
    at: usize,
    forced: Option<Forced>,
}

/// Buckets whose counts fell from limit to limit and were mended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Forced {
    pub(super) count: usize,
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
    pub(super) least_limit: f64,
    pub(super) greatest_limit: f64,
    pub(super) greatest_difference: f64,
}

impl Forced {
    /// Both as one.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            first_ms: self.first_ms.min(other.first_ms),
            last_ms: self.last_ms.max(other.last_ms),
            least_limit: self.least_limit.min(other.least_limit),
            greatest_limit: self.greatest_limit.max(other.greatest_limit),
            greatest_difference: self.greatest_difference.max(other.greatest_difference),
        }
    }
}

/// What a person is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remarks {
    pub warnings: Vec<String>,
    pub infos: Vec<String>,
}

impl Notes {
    fn add(&mut self, warning: bool, text: String, at: usize) {
        let kind = if warning { "warning" } else { "info" };
        self.0.insert(format!("PromQL {kind}: {text}"), Note { warning, at, forced: None });
    }

    /// A quantile outside 0 to 1.
    pub(super) fn quantile(&mut self, q: f64, at: usize) {
        if !(0.0..=1.0).contains(&q) {
            self.add(true, format!("quantile value should be between 0 and 1, got {}", number::general(q)), at);
        }
    }

    /// The greatest and the least of an aggregation's quantiles, and whether one is no number.
    pub(super) fn quantiles(&mut self, all: &[f64], at: usize) {
        let numbers = || all.iter().copied().filter(|q| !q.is_nan());
        let nan = all.iter().copied().find(|q| q.is_nan());
        let extremes =
            [numbers().reduce(f64::max).filter(|q| *q > 1.0), numbers().reduce(f64::min).filter(|q| *q < 0.0)];
        for q in nan.into_iter().chain(extremes.into_iter().flatten()) {
            self.quantile(q, at);
        }
    }

    /// A bucket without a readable limit.
    pub(super) fn bad_bucket(&mut self, limit: &str, at: usize) {
        let text = format!("bucket label \"le\" is missing or has a malformed value of {}", Quoted(limit));
        self.add(true, text, at);
    }

    pub(super) fn useless_sort(&mut self, at: usize) {
        let text = "sort is ineffective for range queries since results are always ordered by labels";
        self.add(true, text.to_owned(), at);
    }

    /// A rate of something whose name is no counter's.
    pub(super) fn rate_of(&mut self, labels: &crate::metrics::Labels, at: usize) {
        let name = labels.get(METRIC_NAME);
        if name.is_empty() || ["_total", "_sum", "_count", "_bucket"].iter().any(|end| name.ends_with(end)) {
            return;
        }
        let text = "metric might not be a counter, name does not end in _total/_sum/_count/_bucket";
        self.add(false, format!("{text}: {}", Quoted(name)), at);
    }

    pub(super) fn forced_monotonicity(&mut self, forced: Forced, at: usize) {
        let text = "PromQL info: input to histogram_quantile needed to be fixed for monotonicity \
            (see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)";
        let before = self.0.get(text).and_then(|note| note.forced);
        let forced = before.map_or(forced, |before| before.and(forced));
        self.0.insert(text.to_owned(), Note { warning: false, at, forced: Some(forced) });
    }

    /// The remarks on that query.
    pub(super) fn told(&self, query: &str) -> Remarks {
        let mut remarks = Remarks::default();
        let mut omitted = [0usize; 2];
        for (text, note) in &self.0 {
            let list = if note.warning { &mut remarks.warnings } else { &mut remarks.infos };
            if list.len() < MAX_TOLD {
                let details = note.forced.map(details).unwrap_or_default();
                list.push(format!("{text}{details} ({})", place(query, note.at)));
            } else {
                omitted[usize::from(note.warning)] += 1;
            }
        }
        for (list, count, kind) in
            [(&mut remarks.warnings, omitted[1], "warning"), (&mut remarks.infos, omitted[0], "info")]
        {
            if count > 0 {
                list.push(format!("{count} more {kind} annotations omitted"));
            }
        }
        remarks
    }
}

fn details(forced: Forced) -> String {
    let (least, greatest) = (number::general(forced.least_limit), number::general(forced.greatest_limit));
    let difference = two_digits(forced.greatest_difference);
    let date = |t_ms: i64| {
        let second = jiff::Timestamp::from_second(t_ms.div_euclid(1000));
        second.map_or_else(|_| t_ms.to_string(), |second| second.to_string())
    };
    let (count, first, last) = (forced.count, date(forced.first_ms), date(forced.last_ms));
    format!(
        ", from buckets {least} to {greatest}, with a max diff of {difference}, over {count} samples from {first} to {last}"
    )
}

/// Go's `%.2g`.
fn two_digits(value: f64) -> String {
    let rounded: f64 = format!("{value:.1e}").parse().unwrap_or(value);
    let mut out = String::new();
    if rounded == 0.0 || (1e-4..100.0).contains(&rounded.abs()) {
        return number::fixed(rounded);
    }
    number::write_scientific(&mut out, rounded);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_remarks_are_told() {
        let mut notes = Notes::default();
        for q in 2..15 {
            notes.quantile(f64::from(q), 3);
        }
        let told = notes.told("quantile_over_time(q, x[5m])");
        assert_eq!(told.warnings.len(), MAX_TOLD + 1);
        assert_eq!(told.warnings[0], "PromQL warning: quantile value should be between 0 and 1, got 2 (1:4)");
        assert_eq!(told.warnings[MAX_TOLD], "3 more warning annotations omitted");
    }

    #[test]
    fn two_digits_are_written_as_go_writes_them() {
        for (value, text) in [(0.0, "0"), (3.0, "3"), (12.34, "12"), (123.0, "1.2e+02"), (0.000_012_34, "1.2e-05")] {
            assert_eq!(two_digits(value), text);
        }
    }
}

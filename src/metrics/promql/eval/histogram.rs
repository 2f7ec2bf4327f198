//! Quantiles and fractions of classic histograms: cumulative counts by upper limit (`le`).

use super::frame::{ABSENT, Frame, is_absent};
use crate::metrics::labels::{Labels, describes_metric};
use crate::metrics::promql::notes::Forced;
use indexmap::IndexMap;

/// The label that carries a bucket's upper limit.
const LIMIT: &str = "le";
/// Relative differences between neighbouring buckets up to this are rounding, not data.
const ROUNDING: f64 = 1e-12;

/// One bucket: how many observations up to `limit`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bucket {
    pub(super) limit: f64,
    pub(super) count: f64,
}

/// For every histogram of the frame and every step, `compute` of the step and the buckets (ascending, one per limit).
/// `bad` hears of limits that cannot be read.
pub(super) fn each(frame: &Frame, bad: impl Fn(&str), mut compute: impl FnMut(usize, &mut [Bucket]) -> f64) -> Frame {
    let mut groups: IndexMap<Labels, Vec<(f64, usize)>> = IndexMap::new();
    for (row, labels) in frame.labels.iter().enumerate() {
        // Series without a readable limit are no buckets.
        let Some(limit) = read_limit(labels.get(LIMIT)) else {
            bad(labels.get(LIMIT));
            continue;
        };
        let histogram = labels.filtered(|name| name != LIMIT && !describes_metric(name));
        groups.entry(histogram).or_default().push((limit, row));
    }
    let mut out = Frame::new(frame.steps);
    let mut buckets = Vec::new();
    for (labels, mut rows) in groups {
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        for step in 0..frame.steps {
            collect(frame, &rows, step, &mut buckets);
            let value = if buckets.is_empty() { ABSENT } else { compute(step, &mut buckets) };
            out.values.push(value);
        }
        out.labels.push(labels);
    }
    out.compact()
}

fn read_limit(text: &str) -> Option<f64> {
    let limit: f64 = match text {
        "+Inf" => f64::INFINITY,
        "" => return None,
        other => other.parse().ok()?,
    };
    (!limit.is_nan()).then_some(limit)
}

/// The buckets at one step; two of one limit (`1` and `1.0`) are added up.
fn collect(frame: &Frame, rows: &[(f64, usize)], step: usize, buckets: &mut Vec<Bucket>) {
    buckets.clear();
    for (limit, row) in rows {
        let count = frame.values[row * frame.steps + step];
        if is_absent(count) {
            continue;
        }
        match buckets.last_mut() {
            #[expect(clippy::float_cmp, reason = "limits are the same or they are not")]
            Some(last) if last.limit == *limit => last.count += count,
            _ => buckets.push(Bucket { limit: *limit, count }),
        }
    }
}

/// Counts must not fall from bucket to bucket; where they do, or differ by rounding only, the former count stays. Says
/// where they fell.
fn make_monotonic(buckets: &mut [Bucket], t_ms: i64) -> Option<Forced> {
    let mut forced: Option<Forced> = None;
    let mut before = buckets.first()?.count;
    for bucket in &mut buckets[1..] {
        if nearly_equal(before, bucket.count) {
            bucket.count = before;
        } else if bucket.count < before {
            let fell = Forced {
                count: 1,
                first_ms: t_ms,
                last_ms: t_ms,
                least_limit: bucket.limit,
                greatest_limit: bucket.limit,
                greatest_difference: before - bucket.count,
            };
            // Several falls of one histogram are one.
            forced = Some(Forced { count: 1, ..forced.map_or(fell, |forced| forced.and(fell)) });
            bucket.count = before;
        } else {
            before = bucket.count;
        }
    }
    forced
}

#[expect(clippy::float_cmp, reason = "the exact case comes first")]
fn nearly_equal(a: f64, b: f64) -> bool {
    if a == b {
        return true;
    }
    let size = a.abs() + b.abs();
    let difference = (a - b).abs();
    if a == 0.0 || b == 0.0 || size < f64::MIN_POSITIVE {
        return difference < ROUNDING * f64::MIN_POSITIVE;
    }
    difference / size.min(f64::MAX) < ROUNDING
}

fn ends_in_infinity(buckets: &[Bucket]) -> bool {
    buckets.last().is_some_and(|last| last.limit == f64::INFINITY)
}

/// `histogram_quantile`: linear within a bucket, whose lower end is 0 for the first; in the last, its lower limit. NaN
/// without a `+Inf` bucket, with fewer than two buckets, or without observations. Says too where counts fell.
pub(super) fn quantile(q: f64, buckets: &mut [Bucket], t_ms: i64) -> (f64, Option<Forced>) {
    if q.is_nan() {
        return (f64::NAN, None);
    }
    if q < 0.0 {
        return (f64::NEG_INFINITY, None);
    }
    if q > 1.0 {
        return (f64::INFINITY, None);
    }
    if !ends_in_infinity(buckets) {
        return (f64::NAN, None);
    }
    let forced = make_monotonic(buckets, t_ms);
    (quantile_of_monotonic(q, buckets), forced)
}

fn quantile_of_monotonic(q: f64, buckets: &[Bucket]) -> f64 {
    let last = buckets.len() - 1;
    let observations = buckets[last].count;
    if last == 0 || observations == 0.0 {
        return f64::NAN;
    }
    let rank = q * observations;
    // Where counts are NaN nothing compares, and the last bucket is the answer, as with Prometheus' binary search.
    let place = buckets[..last].partition_point(|bucket| bucket.count < rank || bucket.count.is_nan() || rank.is_nan());
    if place == last {
        return buckets[last - 1].limit;
    }
    let bucket = buckets[place];
    if place == 0 {
        return if bucket.limit <= 0.0 { bucket.limit } else { bucket.limit * (rank / bucket.count) };
    }
    let below = buckets[place - 1];
    below.limit + (bucket.limit - below.limit) * ((rank - below.count) / (bucket.count - below.count))
}

/// `histogram_fraction`: the share of observations between `lower` and `upper`.
pub(super) fn fraction(lower: f64, upper: f64, buckets: &[Bucket]) -> f64 {
    if !ends_in_infinity(buckets) {
        return f64::NAN;
    }
    let observations = buckets[buckets.len() - 1].count;
    if observations == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let rank = |limit: f64| rank_below(limit, buckets).unwrap_or(observations).min(observations);
    (rank(upper) - rank(lower)) / observations
}

/// How many observations lie below `value`, spread evenly within its bucket.
fn rank_below(value: f64, buckets: &[Bucket]) -> Option<f64> {
    let mut lower = if buckets.first()?.limit <= 0.0 { f64::NEG_INFINITY } else { 0.0 };
    let mut below = 0.0;
    for bucket in buckets {
        if lower >= value {
            return Some(below);
        }
        if bucket.limit > value {
            let part = (value - lower) / (bucket.limit - lower);
            let endless = lower == f64::NEG_INFINITY;
            return Some(if endless { bucket.count } else { below + (bucket.count - below) * part });
        }
        (lower, below) = (bucket.limit, bucket.count);
    }
    None
}

//! What clients saw, by version: totals of the run, and the last seconds.

use super::ring::{Point, Ring, Series};
use super::{MAX_POINTS, MAX_SLICES, MAX_VERSIONS, RECENT_MS};
use crate::event::{Requests, Tally};
use std::collections::BTreeMap;

/// Requests of the whole run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Traffic {
    /// By version; the empty name is answers that no version gave.
    pub versions: BTreeMap<String, VersionTraffic>,
    pub requests: u64,
    pub harmed: u64,
    /// Intended start of the last harmed request; end of the first slice with harm. Milliseconds since the run began.
    pub last_harmed_ms: Option<u64>,
    pub first_harmed_ms: Option<u64>,
    /// Begin of the first slice.
    pub since_ms: Option<u64>,
}

/// One version's requests.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionTraffic {
    /// `primary`, `canary` or empty: which backend gave this version's last answers.
    pub backend: String,
    pub requests: u64,
    pub harmed: u64,
    /// By HTTP status; 0 is no answer.
    pub by_status: BTreeMap<u16, u64>,
    pub max_ms: f64,
    /// The highest p99 of any slice, milliseconds.
    pub worst_p99_ms: f64,
    /// Sum of all latencies, milliseconds.
    total_ms: f64,
    /// The last slices, oldest first.
    pub recent: Ring<Slice>,
    /// p99 latency by slice, milliseconds.
    pub p99: Series,
    /// Share of requests that were served well by slice, percent.
    pub success: Series,
}

/// One version's requests in one slice of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slice {
    /// End of the slice, milliseconds since the run began, and its length.
    pub at_ms: u64,
    pub length_ms: u64,
    pub requests: u64,
    pub harmed: u64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub mean_ms: f64,
}

impl Traffic {
    pub(super) fn add(&mut self, at_ms: u64, requests: &Requests) {
        self.since_ms.get_or_insert(at_ms.saturating_sub(requests.slice_ms));
        for (version, tally) in &requests.versions {
            self.requests += tally.requests;
            self.harmed += tally.harmed;
            if tally.harmed > 0 {
                self.first_harmed_ms.get_or_insert(at_ms.saturating_sub(requests.slice_ms));
                self.last_harmed_ms = self.last_harmed_ms.max(tally.last_harmed_at_ms.or(Some(at_ms)));
            }
            self.add_version(at_ms, requests.slice_ms, version, tally);
        }
    }

    fn add_version(&mut self, at_ms: u64, length_ms: u64, name: &str, tally: &Tally) {
        if !self.versions.contains_key(name) {
            if self.versions.len() == MAX_VERSIONS {
                return;
            }
            self.versions.insert(name.to_owned(), VersionTraffic::default());
        }
        if let Some(version) = self.versions.get_mut(name) {
            version.add(at_ms, length_ms, tally);
        }
    }

    /// Requests per second of all versions in the last [`RECENT_MS`] before `now_ms`.
    #[must_use]
    pub fn recent_rate(&self, now_ms: u64) -> f64 {
        // Not `sum`: of nothing that is -0.
        self.versions.values().fold(0.0, |sum, it| sum + self.rate_of(it, now_ms))
    }

    /// One version's requests per second in the last [`RECENT_MS`] before `now_ms`.
    #[must_use]
    pub fn rate_of(&self, version: &VersionTraffic, now_ms: u64) -> f64 {
        let since_ms = self.since_ms.unwrap_or(now_ms);
        let seconds = now_ms.saturating_sub(since_ms).clamp(1, RECENT_MS) as f64 / 1000.0;
        version.recent_counts(now_ms).0 as f64 / seconds
    }

    /// The version that the canary backend answered with last, if any did.
    #[must_use]
    pub fn canary_version(&self) -> Option<(&str, &VersionTraffic)> {
        let canaries = self.versions.iter().filter(|(_, it)| it.backend == "canary");
        canaries.max_by_key(|(_, it)| it.last_slice_ms()).map(|(name, it)| (name.as_str(), it))
    }
}

impl Default for VersionTraffic {
    fn default() -> Self {
        Self {
            backend: String::new(),
            requests: 0,
            harmed: 0,
            by_status: BTreeMap::new(),
            max_ms: 0.0,
            worst_p99_ms: 0.0,
            total_ms: 0.0,
            recent: Ring::new(MAX_SLICES),
            p99: Series::new(MAX_POINTS),
            success: Series::new(MAX_POINTS),
        }
    }
}

impl VersionTraffic {
    fn add(&mut self, at_ms: u64, length_ms: u64, tally: &Tally) {
        if !tally.backend.is_empty() {
            self.backend.clone_from(&tally.backend);
        }
        self.requests += tally.requests;
        self.harmed += tally.harmed;
        self.max_ms = self.max_ms.max(tally.max_ms);
        self.worst_p99_ms = self.worst_p99_ms.max(tally.p99_ms);
        self.total_ms += tally.mean_ms * tally.requests as f64;
        for (status, count) in &tally.by_status {
            *self.by_status.entry(*status).or_default() += count;
        }
        let Tally { requests, harmed, p50_ms, p99_ms, mean_ms, .. } = *tally;
        self.recent.push(Slice { at_ms, length_ms, requests, harmed, p50_ms, p99_ms, mean_ms });
        self.recent.forget_while(|it| it.at_ms + RECENT_MS <= at_ms);
        if requests > 0 {
            let success = 100.0 * (requests - harmed.min(requests)) as f64 / requests as f64;
            self.p99.push(Point { at_ms, value: Some(p99_ms), violated: false });
            self.success.push(Point { at_ms, value: Some(success), violated: false });
        }
    }

    /// Mean latency of all requests, milliseconds.
    #[must_use]
    pub fn mean_ms(&self) -> f64 {
        if self.requests == 0 { 0.0 } else { self.total_ms / self.requests as f64 }
    }

    /// The slices that end in the last [`RECENT_MS`] before `now_ms`.
    pub fn recent_slices(&self, now_ms: u64) -> impl Iterator<Item = &Slice> {
        self.recent.iter().filter(move |it| it.at_ms + RECENT_MS > now_ms)
    }

    /// Requests and harmed requests in the last [`RECENT_MS`] before `now_ms`.
    #[must_use]
    pub fn recent_counts(&self, now_ms: u64) -> (u64, u64) {
        self.recent_slices(now_ms).fold((0, 0), |sum, it| (sum.0 + it.requests, sum.1 + it.harmed))
    }

    /// End of the last slice in which this version answered.
    #[must_use]
    pub fn last_slice_ms(&self) -> u64 {
        self.recent.last().map_or(0, |it| it.at_ms)
    }

    /// Answers of one class (2 for 2xx, …; 0 for no answer).
    #[must_use]
    pub fn class(&self, class: u16) -> u64 {
        self.by_status.iter().filter(|(status, _)| *status / 100 == class).map(|(_, count)| count).sum()
    }
}

//! What clients saw, by version, for one slice of time.

use std::collections::BTreeMap;
use std::time::Duration;

/// Everything that ended in one slice of time. Slices follow each other without gaps.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Slice {
    /// Since the lab was made.
    pub from: Duration,
    pub to: Duration,
    /// By version (`6.9.2`); the empty name is answers that no version gave.
    pub versions: BTreeMap<String, Tally>,
    /// Requests that were due and were not sent, because too many were under way.
    pub not_sent: u64,
    /// Requests under way at the end of the slice.
    pub in_flight: usize,
}

/// Counts and latency of some requests. Latency is from the intended start to the last byte.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tally {
    /// `primary`, `canary`, or empty where it cannot be told.
    pub backend: String,
    pub requests: u64,
    /// No answer, or a 5xx.
    pub harmed: u64,
    /// By HTTP status; 0 is no answer.
    pub by_status: BTreeMap<u16, u64>,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub mean_ms: f64,
    pub max_ms: f64,
    /// Intended start of the last harmed request, since the lab was made.
    pub last_harmed_at: Option<Duration>,
}

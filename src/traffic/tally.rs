//! Requests counted by version, for one slice of time after the other: what clients saw, or what the router did.

use crate::model::traffic::Sample;
use crate::sys::http::Response;
use crate::traffic::demo::{POD_HEADER, VERSION_HEADER};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Latencies are kept in microseconds up to this one, with three digits; longer ones count as this long.
const MAX_LATENCY: Duration = Duration::from_secs(3600);
const DIGITS: u8 = 3;
/// Versions counted apart; further ones are counted under the empty name.
const MAX_VERSIONS: usize = 64;

/// Everything that ended in one slice of time. Slices follow each other without gaps.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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

/// Counts and latency of some requests.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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

/// Counts samples until a slice is taken.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    versions: BTreeMap<String, Counts>,
    from: Duration,
}

#[derive(Debug)]
struct Counts {
    tally: Tally,
    latency: Histogram<u64>,
    sum: Duration,
    max: Duration,
}

impl Default for Counts {
    fn default() -> Self {
        let latency = Histogram::new(DIGITS).expect("three digits are allowed");
        Self { tally: Tally::default(), latency, sum: Duration::ZERO, max: Duration::ZERO }
    }
}

impl Recorder {
    pub(super) fn add(&mut self, sample: &Sample) {
        let room = self.versions.len() < MAX_VERSIONS;
        if let Some(counts) = self.versions.get_mut(&sample.version) {
            counts.add(sample);
        } else {
            let version = if room { sample.version.clone() } else { String::new() };
            self.versions.entry(version).or_default().add(sample);
        }
    }

    /// What was counted since the last call, up to `now`.
    pub(super) fn take(&mut self, now: Duration) -> Slice {
        let versions = self.versions.iter_mut().filter(|(_, counts)| counts.tally.requests > 0);
        let versions = versions.map(|(version, counts)| (version.clone(), counts.take())).collect();
        let from = std::mem::replace(&mut self.from, now);
        Slice { from, to: now, versions, ..Slice::default() }
    }
}

impl Counts {
    fn add(&mut self, sample: &Sample) {
        let tally = &mut self.tally;
        if tally.backend != sample.backend {
            // One version behind both Services in one slice: the later answer says where it is now.
            tally.backend.clone_from(&sample.backend);
        }
        tally.requests += 1;
        *tally.by_status.entry(sample.status).or_default() += 1;
        if sample.harmed() {
            tally.harmed += 1;
            tally.last_harmed_at = tally.last_harmed_at.max(Some(sample.at));
        }
        self.sum += sample.latency;
        self.max = self.max.max(sample.latency);
        let micros = sample.latency.min(MAX_LATENCY).as_micros() as u64;
        // An auto-resizing histogram takes every value up to its limit.
        let _ = self.latency.record(micros);
    }

    fn take(&mut self) -> Tally {
        let quantile = |quantile| {
            let value = self.latency.value_at_quantile(quantile);
            self.latency.lowest_equivalent(value) as f64 / 1000.0
        };
        let (p50_ms, p99_ms) = (quantile(0.5), quantile(0.99));
        let mut tally = std::mem::take(&mut self.tally);
        (tally.p50_ms, tally.p99_ms) = (p50_ms, p99_ms);
        tally.mean_ms = self.sum.as_secs_f64() * 1000.0 / tally.requests as f64;
        tally.max_ms = self.max.as_secs_f64() * 1000.0;
        self.latency.reset();
        (self.sum, self.max) = (Duration::ZERO, Duration::ZERO);
        tally
    }
}

/// Who gave an answer: version and pod, as far as it says. The lab's demo app says it in headers, podinfo in the JSON of
/// `/` and `/version`.
pub(super) fn answered_by(response: &Response) -> (String, String) {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    if let Some(version) = header(VERSION_HEADER) {
        return (version, header(POD_HEADER).unwrap_or_default());
    }
    let body = response.body();
    let info: Info = if body.first() == Some(&b'{') && body.len() <= MAX_INFO_BYTES {
        serde_json::from_slice(body).unwrap_or_default()
    } else {
        Info::default()
    };
    (info.version, info.hostname)
}

/// What podinfo says about itself, as far as it is read.
#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct Info {
    version: String,
    hostname: String,
}

/// Longer answers are not podinfo's description of itself.
const MAX_INFO_BYTES: usize = 4096;

/// `primary` or `canary`, from the name of the pod and the Deployment that the Canary watches.
pub(super) fn backend_of(pod: &str, target: &str) -> &'static str {
    match pod.strip_prefix(target).and_then(|rest| rest.strip_prefix('-')) {
        _ if target.is_empty() => "",
        Some(rest) if rest.starts_with("primary-") => "primary",
        Some(_) => "canary",
        None => "",
    }
}

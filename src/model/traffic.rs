//! What the load generator sends: streams of requests, each with its own arrivals.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// When requests arrive. Arrivals do not wait for answers (open loop).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Arrivals {
    /// Evenly spaced, in requests per second.
    Constant { per_second: f64 },
    /// Exponential gaps, with this mean rate in requests per second.
    Poisson { per_second: f64 },
    /// Evenly spaced while the rate moves in a straight line; it stays at `to` afterwards. Requests per second.
    Ramp { from: f64, to: f64, over: Duration },
}

/// One stream of like requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stream {
    pub name: String,
    pub arrivals: Arrivals,
    pub method: String,
    /// Host header; empty for the first host of the scenario's Ingress or route.
    pub host: String,
    /// Path with query.
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
    /// An answer later than this counts as a harmed request with no status (the client gave up).
    pub timeout: Duration,
}

/// One request, as its client saw it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    pub stream: String,
    /// Which version answered (`6.9.2`), read from the answer; empty when nothing of the app answered.
    pub version: String,
    /// `primary`, `canary`, or empty where it cannot be told.
    pub backend: String,
    /// HTTP status; 0 when the client got none (timeout, reset).
    pub status: u16,
    /// From the intended start to the last byte, so a late start counts.
    pub latency: Duration,
    /// Intended start, since the lab was made.
    pub at: Duration,
}

impl Sample {
    /// Whether a user was harmed: no answer, or a 5xx.
    #[must_use]
    pub fn harmed(&self) -> bool {
        self.status == 0 || self.status >= 500
    }
}

//! What happened: the one numbered stream that lines, panes, reports, the verdict and replay all read.
//!
//! - [`kind`]: the closed list of events. An event's `Display` ([`text`]) is the sentence that every view shows for it.
//! - [`docs`]: the page that people read about them, docs/EVENTS.md.
//! - [`wire`]: their versioned form, one JSON object a line. [`log`]: run records over any writer and reader.
//!
//! In: facts from the session. Out: [`Envelope`]s, in order, without gaps; their versioned JSON-lines form.
//! Never: who produces an event or who reads it, clocks, files' places.

pub mod docs;
pub mod kind;
pub mod log;
pub mod text;
pub mod wire;

pub use kind::*;

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One event in its place: number, time since the lab was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// 1, 2, 3, … in a run, without gaps. Only the session gives numbers.
    pub seq: u64,
    /// Milliseconds since the run began, on the run's clock.
    pub at_ms: u64,
    pub event: Event,
}

impl Envelope {
    #[must_use]
    pub fn at(&self) -> Duration {
        Duration::from_millis(self.at_ms)
    }
}

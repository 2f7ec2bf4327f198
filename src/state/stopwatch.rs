//! How long a bad release hurt: from the fault to the last harmed request, with what happened between.

use super::LabState;
use super::words::{count, span};

/// The moments of one release, milliseconds since the run began; none for what has not happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopwatch {
    pub fault_ms: Option<u64>,
    pub first_harmed_ms: Option<u64>,
    pub first_halt_ms: Option<u64>,
    /// The controller decided to roll back.
    pub decided_ms: Option<u64>,
    /// The router sent the canary nothing any more.
    pub drained_ms: Option<u64>,
    pub last_harmed_ms: Option<u64>,
    /// Requests harmed since the revision was found.
    pub harmed: u64,
}

impl Stopwatch {
    /// Reads the moments of the current or last release.
    #[must_use]
    pub fn of(state: &LabState) -> Self {
        let (release, harmed) = (&state.release, state.harmed_in_release());
        let since_ms = release.detected_ms.unwrap_or(0);
        let in_release = |at: &u64| harmed > 0 && *at >= since_ms;
        let drained = |decided| state.weights.iter().find(|it| it.at_ms >= decided && it.live == 0);
        Self {
            fault_ms: state.last_fault_ms,
            first_harmed_ms: state.traffic.first_harmed_ms.filter(in_release),
            first_halt_ms: release.first_halt_ms,
            decided_ms: release.rollback_ms,
            drained_ms: release.rollback_ms.and_then(drained).map(|it| it.at_ms),
            last_harmed_ms: state.traffic.last_harmed_ms.filter(in_release),
            harmed,
        }
    }

    /// The moments that have come, in their order, with names for people.
    #[must_use]
    pub fn moments(&self) -> Vec<(&'static str, u64)> {
        let all = [
            ("fault turned on", self.fault_ms),
            ("first harmed request", self.first_harmed_ms),
            ("first failed check", self.first_halt_ms),
            ("rollback decided", self.decided_ms),
            ("canary without traffic", self.drained_ms),
            ("last harmed request", self.last_harmed_ms),
        ];
        let mut moments: Vec<_> = all.into_iter().filter_map(|(name, at)| Some((name, at?))).collect();
        moments.sort_by_key(|(_, at)| *at);
        moments
    }

    /// `312 requests harmed in 1m15s; 1m16s from fault to last harmed request`; none where nobody was harmed.
    #[must_use]
    pub fn sentence(&self) -> Option<String> {
        let (first, last) = (self.first_harmed_ms?, self.last_harmed_ms?);
        let harm = format!("{} harmed in {}", count(self.harmed, "request"), span(last.saturating_sub(first)));
        Some(match self.fault_ms {
            Some(fault) if fault <= last => format!("{harm}; {} from fault to last harmed request", span(last - fault)),
            _ => harm,
        })
    }
}

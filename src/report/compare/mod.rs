//! Two runs side by side: what was decided, by which events, at which weights, when, and who was harmed.
//!
//! Runs are *alike* when, from scenario time zero on, the policy, the verdict, the phases, the live weights, the strikes and
//! the order of Flagger's events are the same, and each event came at the same time after the detection of the new revision,
//! within a tolerance. What may differ, because it depends on the lab and not on the decision:
//!
//! - measured values in events: `success rate 71.43% < 99%` is read as `success rate … < 99%`;
//! - how many ticks waited for pods (`… not ready: …`); each wait that only one run had allows one interval more;
//! - events that tell of no decision and come with every tick (`Rollback hook … not signaling a rollback`);
//! - how many requests were sent, harmed, and how fast they were: shown, not judged.
//!
//! In: the events of two records. Out: a [`Comparison`]; its text and its JSON.

mod facts;
mod judge;
mod sides;
mod text;

pub use judge::{Aspect, Comparison, Line, Mark};

use crate::event::Envelope;
use std::time::Duration;

/// Compares two runs. `tolerance` is how much earlier or later an event may come; one interval of the policy where it is
/// none.
#[must_use]
pub fn compare(left: &[Envelope], right: &[Envelope], tolerance: Option<Duration>) -> Comparison {
    let (left, right) = (facts::Facts::of(left), facts::Facts::of(right));
    judge::judge(&left, &right, tolerance)
}

//! How a run ended, why, and what to do next: in words, from the events alone.

use crate::event::{Envelope, Outcome};

/// The end of a run in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub outcome: Outcome,
    /// One sentence: what happened, with value, limit, strikes and harm. Times count from the detection of the new
    /// revision, the event `New revision detected! Scaling up …`.
    pub why: String,
    /// One sentence: what a person would do next.
    pub next: String,
}

/// Reads the whole run (but for its `RunEnded`).
#[must_use]
pub fn explain(events: &[Envelope]) -> Verdict {
    let _ = events;
    Verdict { outcome: Outcome::Undecided, why: String::new(), next: String::new() }
}

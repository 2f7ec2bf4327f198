//! Expectations against what happened, from the events alone.

use super::plan::Expect;
use crate::event::{Envelope, Expectation};

/// One line per expectation, in the order of [`Expect`]'s fields. Needs the whole run, but for its `RunEnded`.
#[must_use]
pub fn judge(expect: &Expect, events: &[Envelope]) -> Vec<Expectation> {
    let _ = (expect, events);
    Vec::new()
}

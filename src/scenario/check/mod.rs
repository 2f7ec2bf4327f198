//! What can never work, and what will surprise. Each check is a function of the scene that reports with a place.
//!
//! An *error* is what cannot be run or what the API server refuses, and what no run can do; a *warning* is what runs and
//! does something else than its author thinks. The facts are Flagger's; sections are those of its behaviour page.

mod analysis;
mod expect;
mod hooks;
mod metrics;
mod objects;
mod steps;

use super::problem::Problems;
use super::scene::Scene;
use std::time::Duration;

pub(super) use steps::when;

/// How often the lab's Prometheus scrapes.
pub(super) const SCRAPE: Duration = Duration::from_secs(5);

/// Runs every check.
pub(super) fn all(scene: &Scene<'_>, problems: &mut Problems) {
    analysis::check(scene, problems);
    metrics::check(scene, problems);
    hooks::check(scene, problems);
    objects::check(scene, problems);
    steps::check(scene, problems);
    expect::check(scene, problems);
}

/// `30s`, `2m`: shorter than Go's own writing, which says `2m0s`.
pub(super) fn short(duration: Duration) -> String {
    let text = crate::model::duration::go(duration);
    let text = text.strip_suffix("m0s").map_or(text.clone(), |it| format!("{it}m"));
    text.strip_suffix("h0m").map_or(text.clone(), |it| format!("{it}h"))
}

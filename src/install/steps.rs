//! Named steps: told when they begin and end, and timed.

use super::run::Timing;
use crate::event::{LabStep, StepState};
use crate::sys::clock::Clock;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Hears of each step.
pub type Progress = Arc<dyn Fn(LabStep) + Send + Sync>;

/// The steps of making one lab. Clones write into the same list.
#[derive(Clone)]
pub struct Steps {
    pub clock: Clock,
    progress: Progress,
    began: Duration,
    timings: Arc<Mutex<Vec<Timing>>>,
}

/// How a step came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Told beside its name; can be empty.
    pub detail: String,
    /// There was nothing to do.
    pub unchanged: bool,
}

impl Outcome {
    /// Something was done.
    #[must_use]
    pub fn done(detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), unchanged: false }
    }

    /// Everything was as it should be.
    #[must_use]
    pub fn unchanged() -> Self {
        Self { detail: "unchanged".to_owned(), unchanged: true }
    }
}

impl Steps {
    /// Begins to count now.
    #[must_use]
    pub fn new(clock: Clock, progress: Progress) -> Self {
        Self { clock, progress, began: clock.elapsed(), timings: Arc::default() }
    }

    /// Does `work` under a name.
    pub async fn step<E: Display>(
        &self,
        name: &str,
        work: impl Future<Output = Result<Outcome, E>>,
    ) -> Result<Timing, E> {
        let start = self.clock.elapsed();
        self.tell(name, StepState::Started, "");
        match work.await {
            Ok(outcome) => {
                let took = self.clock.elapsed().saturating_sub(start);
                let began = start.saturating_sub(self.began);
                let timing = Timing { name: name.to_owned(), began, took, unchanged: outcome.unchanged };
                self.timings.lock().unwrap_or_else(PoisonError::into_inner).push(timing.clone());
                self.tell(name, StepState::Done, &outcome.detail);
                Ok(timing)
            }
            Err(error) => {
                self.tell(name, StepState::Failed, &error.to_string());
                Err(error)
            }
        }
    }

    /// Tells of a step that somebody else takes (a command's own steps).
    pub fn tell(&self, name: &str, state: StepState, detail: &str) {
        (self.progress)(LabStep { name: name.to_owned(), state, detail: detail.to_owned() });
    }

    /// What has been timed so far, in the order in which the steps ended.
    #[must_use]
    pub fn timings(&self) -> Vec<Timing> {
        self.timings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

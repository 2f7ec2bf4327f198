//! What every part of a run stands on.

use super::bus::Bus;
use crate::cluster::Client;
use crate::event::{Event, LabStep, Note, StepState};
use crate::scenario::Plan;
use crate::sys::clock::Clock;
use std::sync::Arc;

/// The plan, the lab's Kubernetes API, the clock and the stream of events. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Ground {
    pub plan: Arc<Plan>,
    pub cluster: Client,
    pub clock: Clock,
    pub bus: Bus,
}

impl Ground {
    pub(crate) fn note(&self, text: impl Into<String>) {
        self.bus.publish(Event::Note(Note { text: text.into() }));
    }

    /// One step of preparing the lab.
    pub(crate) fn step(&self, name: &str, state: StepState, detail: &str) {
        self.bus.publish(Event::LabStep(LabStep { name: name.to_owned(), state, detail: detail.to_owned() }));
    }
}

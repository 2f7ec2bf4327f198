//! The one place that numbers events. Whoever learns a fact publishes it; sinks get every event, in order, at once.

use crate::event::{Envelope, Event};
use crate::sys::clock::Clock;
use std::sync::{Arc, Mutex, PoisonError};

/// Where events go: the record, the lines, the view. A sink must not publish.
pub type Sink = Box<dyn FnMut(&Envelope) + Send>;

/// The most events of one run; a run that reaches it ends as broken rather than filling memory or disk.
pub const MAX_EVENTS: u64 = 2_000_000;

/// Numbers events and hands them to the sinks. Cheap to clone.
#[derive(Clone)]
pub struct Bus {
    clock: Clock,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    last: u64,
    sinks: Vec<Sink>,
}

impl Bus {
    #[must_use]
    pub fn new(clock: Clock, sinks: Vec<Sink>) -> Self {
        Self { clock, inner: Arc::new(Mutex::new(Inner { last: 0, sinks })) }
    }

    /// Numbers `event`, dates it now, and hands it on. Past [`MAX_EVENTS`] events are dropped; see [`Bus::is_full`].
    pub fn publish(&self, event: Event) {
        let at_ms = u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.last == MAX_EVENTS {
            return;
        }
        inner.last += 1;
        let envelope = Envelope { seq: inner.last, at_ms, event };
        for sink in &mut inner.sinks {
            sink(&envelope);
        }
    }

    /// Whether the run has used up its events.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).last == MAX_EVENTS
    }
}

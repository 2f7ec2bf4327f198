//! The one place that numbers events. Whoever learns a fact publishes it; sinks get every event, in order, at once.

use crate::event::{Envelope, Event};
use crate::sys::clock::Clock;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Where events go: the record, the lines, the view. A sink must not publish.
pub type Sink = Box<dyn FnMut(&Envelope) + Send>;

/// The most events of one run; a run that reaches it ends as broken rather than filling memory or disk.
pub const MAX_EVENTS: u64 = 2_000_000;

/// Numbers events and hands them to the sinks. Cheap to clone.
#[derive(Clone)]
pub struct Bus {
    clock: Clock,
    /// How much of what is told happened before the clock began.
    before: Duration,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    last: u64,
    last_ms: u64,
    sinks: Vec<Sink>,
}

impl Bus {
    #[must_use]
    pub fn new(clock: Clock, sinks: Vec<Sink>) -> Self {
        Self::after(Duration::ZERO, clock, sinks)
    }

    /// A stream that begins `before` the clock did: there is a past to tell.
    #[must_use]
    pub fn after(before: Duration, clock: Clock, sinks: Vec<Sink>) -> Self {
        Self { clock, before, inner: Arc::new(Mutex::new(Inner { last: 0, last_ms: 0, sinks })) }
    }

    /// Numbers `event`, dates it now, and hands it on. Past [`MAX_EVENTS`] events are dropped; see [`Bus::is_full`].
    pub fn publish(&self, event: Event) {
        self.publish_past(Duration::ZERO, event);
    }

    /// As [`Bus::publish`], for what happened `ago`. The past has to be told in its order, and before the present.
    pub fn publish_past(&self, ago: Duration, event: Event) {
        let at = (self.before + self.clock.elapsed()).saturating_sub(ago);
        let at_ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.last == MAX_EVENTS {
            return;
        }
        inner.last += 1;
        inner.last_ms = inner.last_ms.max(at_ms);
        let envelope = Envelope { seq: inner.last, at_ms: inner.last_ms, event };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Note;

    #[tokio::test(start_paused = true)]
    async fn the_past_is_told_at_its_own_time_and_time_never_goes_back() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&heard);
        let keep: Sink = Box::new(move |it| sink.lock().unwrap().push((it.seq, it.at_ms)));
        let bus = Bus::after(Duration::from_secs(60), Clock::simulated(), vec![keep]);
        let note = || Event::Note(Note { text: String::new() });
        for ago in [60, 20, 30, 90] {
            bus.publish_past(Duration::from_secs(ago), note());
        }
        bus.publish(note());
        assert_eq!(*heard.lock().unwrap(), [(1, 0), (2, 40_000), (3, 40_000), (4, 40_000), (5, 60_000)]);
    }
}

//! Users' requests: follows the plan's changes of traffic, and tells each second what clients saw.

use super::bus::Bus;
use super::player::TrafficChange;
use crate::event::{Event, Note, Requests, Tally};
use crate::lab::Lab;
use crate::scenario::Plan;
use crate::sys::clock::Clock;
use crate::sys::rng::Seed;
use crate::traffic::load::{LoadGenerator, LoadTarget};
use crate::traffic::tally;
use std::time::Duration;
use tokio::sync::mpsc;

/// Length of a slice.
const SLICE: Duration = Duration::from_secs(1);

/// What sending needs.
pub(crate) struct Load {
    target: LoadTarget,
    seed: Seed,
    clock: Clock,
    bus: Bus,
}

impl Load {
    pub(crate) fn new(plan: &Plan, lab: &Lab, seed: Seed, bus: &Bus) -> Self {
        let target = LoadTarget {
            http: lab.entry.http.clone(),
            base: lab.entry.address.clone(),
            host: plan.host.clone(),
            target: plan.target.name.clone(),
        };
        Self { target, seed, clock: lab.clock, bus: bus.clone() }
    }

    fn tell(&self, slice: tally::Slice) {
        if slice.not_sent > 0 {
            let text = format!("{} requests were not sent: too many were under way", slice.not_sent);
            self.bus.publish(Event::Note(Note { text }));
        }
        if slice.versions.is_empty() {
            return;
        }
        let slice_ms = millis(slice.to.saturating_sub(slice.from));
        let versions = slice.versions.into_iter().map(|(version, it)| (version, in_events(it))).collect();
        self.bus.publish(Event::Requests(Requests { slice_ms, versions }));
    }
}

/// Sends until the last sender of changes is gone, then tells the last slice.
pub(crate) async fn send(load: Load, mut changes: mpsc::Receiver<TrafficChange>) {
    let generator = LoadGenerator::start(load.target.clone(), load.clock, load.seed);
    let mut next = load.clock.elapsed() + SLICE;
    loop {
        tokio::select! {
            biased;
            change = changes.recv() => match change {
                Some(change) => follow(&generator, &change, &load.bus),
                None => break,
            },
            () = load.clock.sleep_until(next) => {
                next += SLICE;
                load.tell(generator.take_slice());
            }
        }
    }
    load.tell(generator.take_slice());
}

fn follow(generator: &LoadGenerator, change: &TrafficChange, bus: &Bus) {
    for name in &change.stop {
        generator.stop(name);
    }
    for stream in &change.streams {
        if let Err(error) = generator.put(stream) {
            bus.publish(Event::Note(Note { text: error.to_string() }));
        }
    }
}

fn in_events(it: tally::Tally) -> Tally {
    Tally {
        backend: it.backend,
        requests: it.requests,
        harmed: it.harmed,
        by_status: it.by_status,
        p50_ms: it.p50_ms,
        p99_ms: it.p99_ms,
        mean_ms: it.mean_ms,
        max_ms: it.max_ms,
        last_harmed_at_ms: it.last_harmed_at.map(millis),
    }
}

fn millis(it: Duration) -> u64 {
    u64::try_from(it.as_millis()).unwrap_or(u64::MAX)
}

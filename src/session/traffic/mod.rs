//! Users' requests: follows the plan's changes of traffic, and tells each second what clients saw. They are sent by this
//! process, or by a pod of the cluster ([`inside`]).

mod inside;

pub use inside::InsideError;
pub(crate) use inside::remove;

use super::bus::Bus;
use super::ground::Ground;
use super::player::TrafficChange;
use crate::event::{Event, Note, Requests, Tally};
use crate::lab::Lab;
use crate::sys::clock::Clock;
use crate::sys::rng::Seed;
use crate::traffic::load::{LoadGenerator, LoadTarget};
use crate::traffic::tally;
use std::time::Duration;
use tokio::sync::mpsc;

/// Length of a slice.
const SLICE: Duration = Duration::from_secs(1);

/// Who sends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TrafficFrom {
    /// This process, through the lab's entry.
    #[default]
    Here,
    /// A Job in the scenario's namespace, with coalmine's own `image`. `base` stands in front of a stream's path, as the
    /// cluster's pods know the entry: `http://ingress-nginx-controller.ingress-nginx.svc:80`.
    Cluster { image: String, base: String },
}

/// What sending needs.
pub(crate) struct Load {
    sender: Sender,
    clock: Clock,
    bus: Bus,
}

enum Sender {
    Here { target: LoadTarget, seed: Seed },
    Inside(Box<inside::Inside>),
}

impl Load {
    /// Makes what sends ready for the first change of traffic.
    pub(crate) async fn start(from: &TrafficFrom, ground: &Ground, lab: &Lab, seed: Seed) -> Result<Self, InsideError> {
        let (host, target) = (ground.plan.host.clone(), ground.plan.target.name.clone());
        let sender = match from {
            TrafficFrom::Here => {
                let (http, base) = (lab.entry.http.clone(), lab.entry.address.clone());
                Sender::Here { target: LoadTarget { http, base, host, target }, seed }
            }
            TrafficFrom::Cluster { image, base } => {
                Sender::Inside(Box::new(inside::start(ground.clone(), image, base, seed).await?))
            }
        };
        Ok(Self { sender, clock: ground.clock, bus: ground.bus.clone() })
    }

    /// Sends until the last sender of changes is gone, then tells the last slice.
    pub(crate) async fn send(self, changes: mpsc::Receiver<TrafficChange>) {
        let tell = Teller { clock: self.clock, bus: self.bus };
        match self.sender {
            Sender::Here { target, seed } => {
                let generator = LoadGenerator::start(target, tell.clock, seed);
                send(tell, generator, changes).await;
            }
            Sender::Inside(inside) => inside.send(tell, changes).await,
        }
    }
}

/// Tells slices as events.
pub(crate) struct Teller {
    clock: Clock,
    bus: Bus,
}

impl Teller {
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

async fn send(tell: Teller, generator: LoadGenerator, mut changes: mpsc::Receiver<TrafficChange>) {
    let mut next = tell.clock.elapsed() + SLICE;
    loop {
        tokio::select! {
            biased;
            change = changes.recv() => match change {
                Some(change) => follow(&generator, &change, &tell.bus),
                None => break,
            },
            () = tell.clock.sleep_until(next) => {
                next += SLICE;
                tell.tell(generator.take_slice());
            }
        }
    }
    tell.tell(generator.take_slice());
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

//! From a plan to a finished run, on a thread of its own: makes the runtime, the clock and the lab, runs, takes all down.

use super::{Bus, Control, Journal, RunError, Session, Sink, beat};
use crate::event::{ClockKind, Event, RunEnded, RunStarted};
use crate::lab::{Embedded, LabError};
use crate::scenario::Plan;
use crate::sys::clock::{Clock, rfc3339};
use crate::sys::rng::Seed;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

/// Everything that a run on the embedded lab depends on.
pub struct Launch {
    pub plan: Plan,
    pub clock: ClockKind,
    pub seed: Seed,
    /// Keeps all events; the caller has them also when the run breaks.
    pub journal: Journal,
    /// Who else hears the events. They are called on the run's thread.
    pub sinks: Vec<Sink>,
    /// A person's end.
    pub control: Control,
}

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    #[error("the runtime could not be made: {0}")]
    Runtime(#[from] std::io::Error),
    #[error("the lab could not be made: {0}")]
    Lab(#[from] LabError),
    #[error(transparent)]
    Run(#[from] RunError),
}

impl Launch {
    /// Blocks until the run has ended and the lab is gone. On the simulated clock the calling thread is the only one.
    pub fn run(self) -> Result<RunEnded, LaunchError> {
        let runtime = runtime(self.clock)?;
        let result = runtime.block_on(self.run_inside());
        // Nothing may outlive the run: connections of the wall clock's servers are cut here.
        runtime.shutdown_background();
        result
    }

    async fn run_inside(mut self) -> Result<RunEnded, LaunchError> {
        let clock = match self.clock {
            ClockKind::Simulated => Clock::simulated(),
            ClockKind::Wall => Clock::wall(),
        };
        self.sinks.insert(0, self.journal.sink());
        let bus = Bus::new(clock, std::mem::take(&mut self.sinks));
        bus.publish(Event::RunStarted(self.started(clock)));
        let (sender, commands) = mpsc::channel(super::MAX_WAITING_COMMANDS);
        let pacer = tokio::spawn(beat(self.control, clock, sender));
        let progress = {
            let bus = bus.clone();
            Arc::new(move |step| bus.publish(Event::LabStep(step)))
        };
        let embedded = Embedded::start(clock, self.seed, progress).await?;
        let session = Session {
            plan: Arc::new(self.plan),
            lab: embedded.lab(),
            seed: self.seed,
            bus,
            journal: self.journal,
            commands,
        };
        let ended = session.run().await;
        pacer.abort();
        embedded.stop().await;
        Ok(ended?)
    }

    fn started(&self, clock: Clock) -> RunStarted {
        RunStarted {
            scenario: self.plan.name.clone(),
            title: self.plan.title.clone(),
            lab: crate::lab::EMBEDDED.to_owned(),
            clock: self.clock,
            seed: self.seed.0,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: rfc3339(clock.now()),
            policy: self.plan.policy.clone(),
        }
    }
}

/// Simulated: one thread, paused time, no sockets. Wall: one thread too, so that both run the same code the same way.
fn runtime(clock: ClockKind) -> std::io::Result<Runtime> {
    match clock {
        ClockKind::Simulated => Builder::new_current_thread().enable_time().start_paused(true).build(),
        ClockKind::Wall => Builder::new_current_thread().enable_all().build(),
    }
}

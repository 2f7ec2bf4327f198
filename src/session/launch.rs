//! From a plan to a finished run, on a thread of its own: makes the runtime, the clock and the lab, runs, takes all down.

use super::{Bus, Control, Journal, RunError, Session, Sink, TrafficFrom, beat};
use crate::event::{ClockKind, Event, LabStep, RunEnded, RunStarted, StepState};
use crate::home::{Home, HomeError, LabName};
use crate::lab::{Embedded, Lab, LabError, Options, Progress, Reach, Remote, RemoteError, Up, UpError, UpOptions};
use crate::model::command::Command;
use crate::scenario::Plan;
use crate::sys::clock::{Clock, rfc3339};
use crate::sys::rng::Seed;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

/// Where a run takes place.
pub enum Place {
    /// On a lab of its own, made before it and taken down after it, on the simulated clock: nobody else can reach it.
    Simulated,
    /// On a lab of its own, on the wall clock. It is written down in `home` while it is there, so that others can join it:
    /// under `name`, or the first free one of [`LabName::of_runs`].
    Wall { home: Home, name: Option<LabName> },
    /// On a lab that is up; it stays up. The wall clock.
    Remote(Reach),
}

/// Everything that a run depends on.
pub struct Launch {
    pub plan: Plan,
    pub place: Place,
    pub seed: Seed,
    pub traffic_from: TrafficFrom,
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
    #[error("the lab could not be made: {0}")]
    Up(#[from] UpError),
    #[error("the lab has ended, and its files are still there: {0}")]
    Down(#[from] HomeError),
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error(transparent)]
    Run(#[from] RunError),
}

impl Launch {
    /// Blocks until the run has ended and a lab of its own is gone. On the simulated clock the calling thread is the only one.
    pub fn run(self) -> Result<RunEnded, LaunchError> {
        let runtime = runtime(self.place.clock())?;
        let result = runtime.block_on(self.run_inside());
        // Nothing may outlive the run: connections of the wall clock's servers are cut here.
        runtime.shutdown_background();
        result
    }

    async fn run_inside(mut self) -> Result<RunEnded, LaunchError> {
        let clock = match self.place.clock() {
            ClockKind::Simulated => Clock::simulated(),
            ClockKind::Wall => Clock::wall(),
        };
        self.sinks.insert(0, self.journal.sink());
        let bus = Bus::new(clock, std::mem::take(&mut self.sinks));
        bus.publish(Event::RunStarted(self.started(clock)));
        let (sender, commands) = mpsc::channel(super::MAX_WAITING_COMMANDS);
        let pacer = tokio::spawn(beat(self.control.clone(), clock, sender));
        let result = match &self.place {
            Place::Simulated => {
                let embedded = Embedded::start(clock, self.seed, Options::default(), progress(&bus)).await?;
                let ended = self.play(embedded.lab(), bus, commands).await;
                pacer.abort();
                embedded.stop().await;
                ended
            }
            Place::Wall { home, name } => {
                let options = UpOptions { seed: self.seed, run: Some(self.plan.name.clone()), ..UpOptions::default() };
                let up = Up::start_for_run(home, name.as_ref(), options, progress(&bus)).await?;
                bus.publish(Event::LabStep(how_to_join(up.name())));
                let ended = self.play(up.lab(), bus, commands).await;
                pacer.abort();
                let down = up.down().await;
                let ended = ended?;
                down?;
                Ok(ended)
            }
            Place::Remote(reach) => {
                let remote = Remote::connect(reach, clock).await?;
                let ended = self.play(remote.lab(), bus, commands).await;
                pacer.abort();
                ended
            }
        };
        Ok(result?)
    }

    async fn play(&self, lab: Lab, bus: Bus, commands: mpsc::Receiver<Command>) -> Result<RunEnded, RunError> {
        let (plan, journal) = (Arc::new(self.plan.clone()), self.journal.clone());
        let (seed, traffic_from) = (self.seed, self.traffic_from.clone());
        Session { plan, lab, seed, traffic_from, bus, journal, commands }.run().await
    }

    fn started(&self, clock: Clock) -> RunStarted {
        RunStarted {
            scenario: self.plan.name.clone(),
            title: self.plan.title.clone(),
            lab: self.place.name().to_owned(),
            clock: self.place.clock(),
            seed: self.seed.0,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: rfc3339(clock.now()),
            policy: self.plan.policy.clone(),
        }
    }
}

impl Place {
    fn clock(&self) -> ClockKind {
        match self {
            Self::Simulated => ClockKind::Simulated,
            Self::Wall { .. } | Self::Remote(_) => ClockKind::Wall,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Simulated | Self::Wall { .. } => crate::lab::EMBEDDED,
            Self::Remote(reach) => &reach.name,
        }
    }
}

/// Tells the steps of making the lab.
fn progress(bus: &Bus) -> Progress {
    let bus = bus.clone();
    Arc::new(move |step| bus.publish(Event::LabStep(step)))
}

/// What to type in another terminal while the run plays.
fn how_to_join(name: &LabName) -> LabStep {
    let detail = format!("eval \"$(coalmine env --lab {name})\"");
    LabStep { name: "let kubectl join".to_owned(), state: StepState::Done, detail }
}

/// Simulated: one thread, paused time, no sockets. Wall: one thread too, so that both run the same code the same way.
fn runtime(clock: ClockKind) -> std::io::Result<Runtime> {
    match clock {
        ClockKind::Simulated => Builder::new_current_thread().enable_time().start_paused(true).build(),
        ClockKind::Wall => Builder::new_current_thread().enable_all().build(),
    }
}

//! A record as a source of events: it plays at a speed, pauses, steps and jumps.

use super::app::{Pump, Source};
use super::view::Request;
use crate::event::Envelope;
use crate::model::command::{Command, Speed};
use crate::state::{Entry, LabState};
use std::time::Duration;

/// Plays a record. Its place is a time of the run; everything up to it has been applied.
#[derive(Debug)]
pub struct Player {
    events: Vec<Envelope>,
    /// How many events are applied.
    applied: usize,
    /// The place, milliseconds since the run began; the fraction is kept so that slow speeds move at all.
    place_ms: f64,
    speed: Speed,
    paused: bool,
    /// A jump back asks for the state to be made anew.
    rewound: bool,
}

impl Player {
    #[must_use]
    pub fn new(events: Vec<Envelope>, speed: Speed) -> Self {
        // Making the lab is not what people come to see: play from just before the scenario.
        let start = events.iter().find(|it| matches!(it.event, crate::event::Event::ScenarioStarted(_)));
        let place_ms = start.map_or(0.0, |it| it.at_ms as f64);
        Self { events, applied: 0, place_ms, speed, paused: false, rewound: false }
    }

    fn end_ms(&self) -> f64 {
        self.events.last().map_or(0.0, |it| it.at_ms as f64)
    }

    fn move_to(&mut self, place_ms: f64) {
        let place_ms = place_ms.clamp(0.0, self.end_ms());
        self.rewound |= place_ms < self.place_ms;
        self.place_ms = place_ms;
    }

    fn jump_to_event(&mut self, forward: bool) {
        let mut times = self.events.iter().filter(|it| Entry::of(it).is_some()).map(|it| it.at_ms as f64);
        let found = if forward {
            times.find(|it| *it > self.place_ms)
        } else {
            times.take_while(|it| *it < self.place_ms).last()
        };
        if let Some(place) = found {
            self.move_to(place);
        }
    }

    fn advance(&mut self, passed: Duration) {
        if self.paused {
            return;
        }
        match self.speed {
            Speed::Max => self.place_ms = self.end_ms(),
            Speed::Times(times) => self.move_to(self.place_ms + passed.as_secs_f64() * 1000.0 * times),
        }
    }
}

impl Source for Player {
    fn pump(&mut self, state: &mut LabState, passed: Duration) -> Pump {
        self.advance(passed);
        let rewound = std::mem::take(&mut self.rewound);
        if rewound {
            *state = LabState::default();
            self.applied = 0;
        }
        let due = self.events[self.applied..].iter().take_while(|it| it.at_ms as f64 <= self.place_ms);
        let before = self.applied;
        self.applied += due.map(|it| state.apply(it)).count();
        Pump { changed: rewound || self.applied > before, closed: false }
    }

    fn request(&mut self, request: Request) {
        match request {
            Request::Command(Command::Pause) => self.paused = true,
            Request::Command(Command::Resume) => self.paused = false,
            Request::Command(Command::Step { millis }) => self.move_to(self.place_ms + millis as f64),
            Request::Command(Command::Speed(speed)) => self.speed = speed,
            Request::Jump(millis) => self.move_to(self.place_ms + millis as f64),
            Request::JumpToEvent { forward } => self.jump_to_event(forward),
            Request::Command(Command::OpenGate | Command::CloseGate | Command::RollBack | Command::Quit)
            | Request::Leave => {}
        }
    }
}

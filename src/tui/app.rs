//! The loop: take all events and keys there are, then draw at most once a frame.

use super::TuiError;
use super::draw::draw;
use super::view::{Request, View};
use crate::event::Envelope;
use crate::model::command::Command;
use crate::state::LabState;
use ratatui::Terminal;
use ratatui::backend::Backend;
use ratatui::crossterm::event::{self, Event as Input, KeyEvent, KeyEventKind};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;
use tokio::time::Instant;

/// Time between two frames: about 30 a second.
pub const FRAME: Duration = Duration::from_millis(33);
/// Events that are taken before keys are looked at again.
const MAX_EVENTS_A_FRAME: usize = 50_000;
/// Keys that are taken before a frame is drawn.
const MAX_KEYS_A_FRAME: usize = 64;

/// What a source gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pump {
    pub changed: bool,
    /// Nothing will come any more.
    pub closed: bool,
}

/// Where events come from and requests go to: a running lab or a record.
pub trait Source {
    /// Applies what is due; `passed` is the time since the last call.
    fn pump(&mut self, state: &mut LabState, passed: Duration) -> Pump;
    fn request(&mut self, request: Request);
}

/// A running lab.
pub struct Live<F: Fn(Command)> {
    pub events: Receiver<Envelope>,
    pub commands: F,
}

impl<F: Fn(Command)> Source for Live<F> {
    fn pump(&mut self, state: &mut LabState, _: Duration) -> Pump {
        let mut pump = Pump { changed: false, closed: false };
        for _ in 0..MAX_EVENTS_A_FRAME {
            match self.events.try_recv() {
                Ok(envelope) => state.apply(&envelope),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    pump.closed = true;
                    break;
                }
            }
            pump.changed = true;
        }
        pump
    }

    fn request(&mut self, request: Request) {
        if let Request::Command(command) = request {
            (self.commands)(command);
        }
    }
}

/// State, view and source together; no terminal, so that tests can press keys.
pub struct App<S: Source> {
    pub state: LabState,
    pub view: View,
    source: S,
    left: bool,
}

impl<S: Source> App<S> {
    pub fn new(view: View, source: S) -> Self {
        Self { state: LabState::default(), view, source, left: false }
    }

    /// Takes what the source has; whether a new frame is needed.
    pub fn pump(&mut self, passed: Duration) -> bool {
        if self.view.closed {
            return false;
        }
        let pump = self.source.pump(&mut self.state, passed);
        self.view.closed = pump.closed;
        if pump.closed {
            self.left |= self.view.quitting || self.state.ended.is_none();
            if self.view.message.is_empty() {
                "the run is over; press q to leave".clone_into(&mut self.view.message);
            }
        }
        pump.changed || pump.closed
    }

    /// Takes one key.
    pub fn press(&mut self, key: &KeyEvent) {
        match self.view.press(key, &self.state) {
            Some(Request::Leave) => self.left = true,
            Some(request) => self.source.request(request),
            None => {}
        }
    }

    /// Whether the screen is to be left.
    pub fn has_left(&self) -> bool {
        self.left
    }

    /// Runs until it is left.
    pub fn run<B: Backend>(&mut self, terminal: &mut Terminal<B>) -> Result<(), TuiError> {
        let (mut last_pump, mut last_frame) = (Instant::now(), None::<Instant>);
        let mut dirty = true;
        while !self.left {
            let now = Instant::now();
            dirty |= self.pump(now - last_pump);
            last_pump = now;
            let since_frame = last_frame.map_or(FRAME, |it| it.elapsed());
            if dirty && since_frame >= FRAME {
                terminal
                    .draw(|frame| draw(&self.state, &self.view, frame))
                    .map_err(|it| TuiError::Draw(it.to_string()))?;
                (last_frame, dirty) = (Some(Instant::now()), false);
            }
            let wait = if dirty { FRAME.saturating_sub(since_frame) } else { FRAME };
            dirty |= self.take_input(wait).map_err(TuiError::Input)?;
        }
        Ok(())
    }

    /// Waits for input, then takes all there is; whether a new frame is needed.
    fn take_input(&mut self, wait: Duration) -> std::io::Result<bool> {
        let (mut wait, mut changed) = (wait, false);
        for _ in 0..MAX_KEYS_A_FRAME {
            if !event::poll(wait)? {
                break;
            }
            match event::read()? {
                Input::Key(key) if key.kind != KeyEventKind::Release => self.press(&key),
                Input::Resize(..) => {}
                _ => continue,
            }
            (changed, wait) = (true, Duration::ZERO);
        }
        Ok(changed)
    }
}

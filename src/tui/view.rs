//! What the person has done to the screen: focus, scrolling, filter, pause. [`View::press`] turns a key into a change of the
//! view or a [`Request`] to whoever gives the events.

use super::keys::{self, Action};
use super::panes::{PANES, PaneId, index};
use super::theme::{Colours, Role};
use crate::event::ClockKind;
use crate::model::command::{Command, Speed};
use crate::state::LabState;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::style::Style;

/// The speeds that `+` and `-` go through, simulated seconds per second.
pub const SPEEDS: [f64; 9] = [0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0];
/// How long a filter may be.
const MAX_FILTER: usize = 80;
/// How far page up and down go.
const PAGE: usize = 10;
const JUMP_MS: i64 = 10_000;

/// What the screen asks of the source of events.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Request {
    Command(Command),
    /// Replay only: go on or back in time, milliseconds.
    Jump(i64),
    /// Replay only: to the next (or the previous) event of the timeline.
    JumpToEvent {
        forward: bool,
    },
    /// Leave the screen now.
    Leave,
}

/// Something that lies over the panes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Popup {
    Help,
    ConfirmRollBack,
}

/// The person's side of the screen; drawing reads it and never changes it.
#[derive(Debug, Clone)]
pub struct View {
    /// Left end of the first line.
    pub title: String,
    pub colours: Colours,
    pub is_replay: bool,
    pub focus: PaneId,
    pub zoomed: bool,
    pub popup: Option<Popup>,
    pub filter: String,
    pub is_typing_filter: bool,
    pub paused: bool,
    pub speed: Speed,
    /// The answer to the last key, where it needs words.
    pub message: String,
    /// Quit was asked for; the run is being ended.
    pub quitting: bool,
    /// No more events will come.
    pub closed: bool,
    scroll: [usize; PANES.len()],
}

impl View {
    #[must_use]
    pub fn new(title: &str, colours: Colours, speed: Speed) -> Self {
        Self {
            title: title.to_owned(),
            colours,
            is_replay: false,
            focus: PaneId::Events,
            zoomed: false,
            popup: None,
            filter: String::new(),
            is_typing_filter: false,
            paused: false,
            speed,
            message: String::new(),
            quitting: false,
            closed: false,
            scroll: [0; PANES.len()],
        }
    }

    #[must_use]
    pub fn style(&self, role: impl Into<Role>) -> Style {
        self.colours.style(role.into())
    }

    /// How many rows a pane is scrolled; from its top, for events from the newest.
    #[must_use]
    pub fn scrolled(&self, pane: PaneId) -> usize {
        self.scroll[index(pane)]
    }

    /// Takes one key.
    pub fn press(&mut self, key: &KeyEvent, state: &LabState) -> Option<Request> {
        self.message.clear();
        if self.is_typing_filter && self.type_filter(key) {
            return None;
        }
        if self.popup == Some(Popup::ConfirmRollBack) {
            return self.answer_roll_back(key);
        }
        if let KeyCode::Char(digit @ '1'..='9') = key.code {
            self.focus = PANES.get(digit as usize - '1' as usize).map_or(self.focus, |it| it.id);
            return None;
        }
        keys::action(key, self.is_replay).and_then(|it| self.act(it, state))
    }

    fn act(&mut self, action: Action, state: &LabState) -> Option<Request> {
        match action {
            Action::PauseOrResume => self.pause_or_resume(state),
            Action::Step => self.step(1000, state),
            Action::StepTick => self.step(state.policy().map_or(1000, |it| it.interval_ms.max(1000)), state),
            Action::Faster => self.change_speed(true, state),
            Action::Slower => self.change_speed(false, state),
            Action::OpenGate => self.ask("asked to open the gate", Command::OpenGate, state),
            Action::CloseGate => self.ask("asked to close the gate", Command::CloseGate, state),
            Action::RollBack => self.ask_roll_back(state),
            Action::Back10s => Some(Request::Jump(-JUMP_MS)),
            Action::Forward10s => Some(Request::Jump(JUMP_MS)),
            Action::PreviousEvent => Some(Request::JumpToEvent { forward: false }),
            Action::NextEvent => Some(Request::JumpToEvent { forward: true }),
            Action::Quit => Some(self.quit()),
            _ => {
                self.move_about(action, state);
                None
            }
        }
    }

    fn move_about(&mut self, action: Action, state: &LabState) {
        match action {
            Action::NextPane => self.move_focus(1),
            Action::PreviousPane => self.move_focus(PANES.len() - 1),
            Action::Zoom => self.zoomed = !self.zoomed,
            Action::ScrollUp => self.scroll_by(-1, state),
            Action::ScrollDown => self.scroll_by(1, state),
            Action::PageUp => self.scroll_by(-(PAGE as isize), state),
            Action::PageDown => self.scroll_by(PAGE as isize, state),
            Action::Top => self.scroll_by(isize::MIN / 2, state),
            Action::Bottom => self.scroll_by(isize::MAX / 2, state),
            Action::Filter => (self.is_typing_filter, self.focus) = (true, PaneId::Events),
            Action::Help => self.popup = if self.popup.is_none() { Some(Popup::Help) } else { None },
            Action::Close => self.close(),
            _ => {}
        }
    }

    fn close(&mut self) {
        if self.popup.take().is_none() && !std::mem::take(&mut self.zoomed) {
            self.filter.clear();
        }
    }

    fn move_focus(&mut self, by: usize) {
        self.focus = PANES[(index(self.focus) + by) % PANES.len()].id;
    }

    /// Events are counted from the newest, so that the pane follows while it is not scrolled.
    fn scroll_by(&mut self, rows: isize, state: &LabState) {
        let place = index(self.focus);
        let most = (PANES[place].rows)(state, self).saturating_sub(1);
        let rows = if self.focus == PaneId::Events { -rows } else { rows };
        self.scroll[place] = self.scroll[place].saturating_add_signed(rows).min(most);
    }

    fn can_command(&mut self, state: &LabState) -> bool {
        let over = state.ended.is_some() || self.closed;
        if over && !self.is_replay {
            "the run is over; press q to leave".clone_into(&mut self.message);
        }
        !over || self.is_replay
    }

    fn is_wall(&self, state: &LabState) -> bool {
        !self.is_replay && state.clock() == Some(ClockKind::Wall)
    }

    fn pause_or_resume(&mut self, state: &LabState) -> Option<Request> {
        if self.is_wall(state) {
            "the wall clock cannot be paused".clone_into(&mut self.message);
            return None;
        }
        if !self.can_command(state) {
            return None;
        }
        self.paused = !self.paused;
        Some(Request::Command(if self.paused { Command::Pause } else { Command::Resume }))
    }

    fn step(&mut self, millis: u64, state: &LabState) -> Option<Request> {
        if !self.paused {
            "press space first: steps are for a paused clock".clone_into(&mut self.message);
            return None;
        }
        self.can_command(state).then_some(Request::Command(Command::Step { millis }))
    }

    fn change_speed(&mut self, faster: bool, state: &LabState) -> Option<Request> {
        if self.is_wall(state) {
            "the wall clock has one speed".clone_into(&mut self.message);
            return None;
        }
        if !self.can_command(state) {
            return None;
        }
        self.speed = next_speed(self.speed, faster);
        Some(Request::Command(Command::Speed(self.speed)))
    }

    fn ask(&mut self, message: &str, command: Command, state: &LabState) -> Option<Request> {
        if !self.can_command(state) {
            return None;
        }
        message.clone_into(&mut self.message);
        Some(Request::Command(command))
    }

    fn ask_roll_back(&mut self, state: &LabState) -> Option<Request> {
        if !self.can_command(state) {
            return None;
        }
        if state.release.is_under_way() {
            self.popup = Some(Popup::ConfirmRollBack);
        } else {
            "there is no release under way to roll back".clone_into(&mut self.message);
        }
        None
    }

    /// Only `y` rolls back: enter and everything else take the safe answer.
    fn answer_roll_back(&mut self, key: &KeyEvent) -> Option<Request> {
        self.popup = None;
        if matches!(key.code, KeyCode::Char('y' | 'Y')) {
            "asked to roll back".clone_into(&mut self.message);
            return Some(Request::Command(Command::RollBack));
        }
        "not rolled back".clone_into(&mut self.message);
        None
    }

    fn quit(&mut self) -> Request {
        if self.is_replay || self.closed || self.quitting {
            return Request::Leave;
        }
        self.quitting = true;
        "ending the run; press q again to leave at once".clone_into(&mut self.message);
        Request::Command(Command::Quit)
    }

    /// Whether the key was part of the filter.
    fn type_filter(&mut self, key: &KeyEvent) -> bool {
        match key.code {
            KeyCode::Enter => self.is_typing_filter = false,
            KeyCode::Esc => {
                self.filter.clear();
                self.is_typing_filter = false;
            }
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char(letter)
                if key.modifiers.is_empty() || key.modifiers == ratatui::crossterm::event::KeyModifiers::SHIFT =>
            {
                if self.filter.chars().count() < MAX_FILTER {
                    self.filter.push(letter);
                }
            }
            _ => return false,
        }
        self.scroll[index(PaneId::Events)] = 0;
        true
    }
}

/// The next speed up or down; above the fastest is "as fast as it can".
#[must_use]
pub fn next_speed(speed: Speed, faster: bool) -> Speed {
    let last = SPEEDS.len() - 1;
    match speed {
        Speed::Max if faster => Speed::Max,
        Speed::Max => Speed::Times(SPEEDS[last]),
        Speed::Times(now) if faster => {
            SPEEDS.iter().find(|it| **it > now * 1.001).map_or(Speed::Max, |it| Speed::Times(*it))
        }
        Speed::Times(now) => Speed::Times(*SPEEDS.iter().rev().find(|it| **it < now * 0.999).unwrap_or(&SPEEDS[0])),
    }
}

//! Eyes and hands: the live view.
//!
//! [`run`] shows a run as it goes, [`replay`] shows a record; both fold events into the same state and draw it by the same
//! pure function ([`draw`]), so a screen cannot tell one from the other. Panes are rows of a table ([`panes`]), keys are rows
//! of another ([`keys`]), from which help and hints are read. The caller gives a thread: nothing here is async, so that drawing
//! never holds up a lab and a lab never holds up a key.
//!
//! In: events.
//! Out: frames; commands.
//! Never: what makes the events, files, the environment.

mod app;
mod draw;
pub mod keys;
mod layout;
pub mod panes;
mod replay;
mod theme;
mod view;

pub use app::{App, Live, Pump, Source};
pub use draw::draw;
pub use replay::Player;
pub use theme::{Colours, Role};
pub use view::{Popup, Request, View, next_speed};

use crate::event::Envelope;
use crate::model::command::{Command, Speed};
use crate::state::LabState;
use std::sync::mpsc::Receiver;

/// How many events may wait for the screen: the size to make the channel with (`std::sync::mpsc::sync_channel`). A full
/// channel holds the lab up, which on the simulated clock costs nothing but time.
pub const CHANNEL: usize = 16_384;

/// How the view looks and begins.
#[derive(Debug, Clone)]
pub struct Options {
    /// Left end of the first line: `coalmine`.
    pub title: String,
    pub colours: Colours,
    /// The speed that the run has been started with.
    pub speed: Speed,
}

/// Why the view ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    #[error("failed to prepare the terminal: {0}; is this a terminal? `--no-tui` prints lines instead")]
    Terminal(std::io::Error),
    #[error("failed to draw on the terminal: {0}")]
    Draw(String),
    #[error("failed to read keys from the terminal: {0}")]
    Input(std::io::Error),
}

/// Shows a live run until the person leaves, or until the run ends after the person asked it to. Blocks the calling thread:
/// give it one of its own. When the sender is dropped without a `runEnded`, it returns too (the run broke; its error says
/// why). The terminal is restored on every way out, also by a panic.
///
/// Returns the last state.
pub fn run(
    events: Receiver<Envelope>,
    commands: impl Fn(Command) + Send,
    options: &Options,
) -> Result<LabState, TuiError> {
    let view = View::new(&options.title, options.colours, options.speed);
    show(App::new(view, Live { events, commands }))
}

/// Shows a record until the person leaves. Blocks the calling thread.
pub fn replay(events: Vec<Envelope>, speed: Speed, options: &Options) -> Result<LabState, TuiError> {
    let mut view = View::new(&options.title, options.colours, speed);
    view.is_replay = true;
    show(App::new(view, Player::new(events, speed)))
}

fn show<S: Source>(mut app: App<S>) -> Result<LabState, TuiError> {
    // `try_init` also installs a panic hook that restores the terminal before the panic's message is printed.
    let mut terminal = ratatui::try_init().map_err(TuiError::Terminal)?;
    let _restored_at_the_end = Restore;
    app.run(&mut terminal)?;
    Ok(app.state)
}

/// Gives the terminal back when it goes out of scope.
struct Restore;

impl Drop for Restore {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

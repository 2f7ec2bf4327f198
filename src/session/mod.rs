//! One run: plays the plan against a lab, observes it, numbers the events.
//!
//! In: a [`Plan`](crate::scenario::Plan), a [`Lab`](crate::lab::Lab), a person's commands.
//! Out: the stream of events, from `RunStarted` to `RunEnded`.
//! Never: terminals, report formats, which kind of lab it is, what a weight or a phase means for a release.

mod bus;
mod commands;
mod decide;
mod faults;
mod ground;
mod journal;
mod launch;
mod load_tester;
mod measure;
mod observe;
mod pace;
mod patience;
mod player;
mod run;
mod setup;
mod traffic;

pub use bus::{Bus, MAX_EVENTS, Sink};
pub use journal::Journal;
pub use launch::{Launch, LaunchError, Place};
pub use pace::{BEAT, Control, MAX_WAITING_COMMANDS, beat};
pub use player::StepError;
pub use run::{RunError, Session};

//! One run: plays the plan against a lab, observes it, numbers the events. And a look at any cluster with Flagger, which
//! observes and does nothing else ([`Watching`]).
//!
//! Decisions
//! - A run on a lab that outlives it holds a Lease in the scenario's namespace, so that two runs never play there at once,
//!   and begins by removing what earlier runs left: each run starts from the same state.
//! - What cannot be done on a lab (a fault that its app has no way for) is an error before time zero.
//! - A Kubernetes API that does not answer is waited for; it is told when it goes and when it is back, and after
//!   `patience::GIVE_UP_AFTER` the run ends without a verdict. Prometheus may be gone for as long as it likes.
//!
//! In: a [`Plan`](crate::scenario::Plan), a [`Lab`](crate::lab::Lab), a person's commands.
//! Out: the stream of events, from `RunStarted` to `RunEnded`.
//! Never: terminals, report formats, which kind of lab it is, what a weight or a phase means for a release.

mod bus;
mod commands;
mod decide;
mod faults;
mod flagger;
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
mod watching;

pub use bus::{Bus, MAX_EVENTS, Sink};
pub use journal::Journal;
pub use launch::{Launch, LaunchError, Place};
pub use pace::{BEAT, Control, MAX_WAITING_COMMANDS, beat};
pub use player::StepError;
pub use run::{RunError, Session};
pub use traffic::{InsideError, TrafficFrom};
pub use watching::{WATCH, WatchError, Watching};

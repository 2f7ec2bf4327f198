//! What people see of a run: its record, lines, reports and panes, from event streams made by hand.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_for_each,
    reason = "a failed step is the test's failure, also in helpers"
)]

mod compare;
mod events;
mod explained;
mod lines;
mod record;
mod reports;
mod screens;
pub mod streams;

//! What people see of a run: its record, lines, reports and panes, from event streams made by hand.

mod lines;
mod record;
pub mod streams;

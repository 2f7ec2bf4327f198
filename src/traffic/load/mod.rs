//! The load generator: streams of requests whose arrivals do not wait for answers.

mod tally;

pub use tally::{Slice, Tally};

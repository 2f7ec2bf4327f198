//! The vocabulary that the stations share: plain data, and arithmetic on it.
//!
//! In: nothing. Out: types with public fields. A type lives here only when two stations need it.
//! Never: I/O, clocks, randomness, async, knowledge of any other station.

pub mod canary;
pub mod command;
pub mod duration;
pub mod fault;
pub mod object;
pub mod traffic;

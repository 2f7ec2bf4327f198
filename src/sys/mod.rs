//! Seams with the machine: the clock, seeded randomness, HTTP to names, YAML with places, what processes print.
//!
//! In: the machine. Out: handles that a test can replace. Never: the domain.

pub mod clock;
pub mod direct;
pub mod http;
pub mod output;
pub mod outside;
pub mod pool;
pub mod rng;
pub mod signal;
pub mod stdio;
pub mod yaml;

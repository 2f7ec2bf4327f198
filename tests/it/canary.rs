//! The judge, held against Flagger's predicted sequences, its tables of texts and fields, and its invariants.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod corners;
mod hooks;
mod invariants;
mod routers;
mod runs;
mod status;
mod tables;
mod world;

//! The embedded API server: what clients rely on, case by case.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod apply;
mod conformance;
mod custom;
mod fuzz;
mod garbage;
mod held;
mod http;
mod patches;
mod selectors;
mod slow;
mod smoke;
mod support;
mod watches;

//! The embedded API server: what clients rely on, case by case.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod apply;
mod conformance;
mod custom;
mod garbage;
mod held;
mod http;
mod patches;
mod selectors;
mod smoke;
mod support;
mod watches;

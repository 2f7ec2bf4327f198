//! The embedded API server: what clients rely on, case by case.

mod garbage;
mod smoke;
mod support;

//! The metrics station from outside: against the real Prometheus, and through its HTTP API.

mod api;
mod data;
mod differential;
mod prometheus;
mod queries;
mod rules;
mod texts;

//! The metrics station from outside: against the real Prometheus, and through its HTTP API.

mod data;
mod differential;
mod prometheus;
mod queries;

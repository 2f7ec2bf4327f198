//! The metrics station from outside: against the real Prometheus, and through its HTTP API.

mod api;
mod data;
mod differential;
mod grafana;
mod outside;
mod prometheus;
mod promtool;
mod queries;
mod relabel;
mod rules;
mod texts;

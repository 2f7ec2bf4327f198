//! What was measured: a bounded store of samples, PromQL over it, rules, and the Prometheus HTTP API.
//!
//! ```text
//! registry ──encode──► text ──scrape──► store ◄──rules──┐
//!                                         │             │
//!                                         └──promql─────┴──► values, alerts ──► api
//! ```
//!
//! Decisions, each held by a test:
//! - The registry writes byte for byte what Prometheus' Go client writes; labels by name, series by label values.
//! - PromQL answers as Prometheus 3.14 does (`tests/it/metrics` asks both), on floats. The parser is our own, so that
//!   errors, their places and the remarks on odd queries are Prometheus' too. Native histograms, experimental functions
//!   and `fill` are left out.
//! - A query is read once and evaluated for all steps at a time. "No value here" is the staleness marker, which no
//!   arithmetic can make.
//! - Scrapes write `up` and `scrape_samples_scraped`, not `scrape_duration_seconds`: how long a scrape took on the
//!   machine has no place in a run that repeats.
//! - An alert that no longer holds is forgotten at once; Prometheus keeps it for 15 minutes to tell Alertmanager, which
//!   is not here.
//!
//! In: exposition text with its time.
//! Out: values, series, alerts; the API that Prometheus has; a registry with which the parts of the lab expose metrics.
//! Never: canaries, sockets, the clock (times are given).

pub mod api;
pub mod config;
pub mod database;
mod duration;
pub mod exposition;
pub mod labels;
pub mod number;
pub mod promql;
pub mod registry;
pub mod rules;
pub mod scrape;
pub mod store;

pub use database::{Database, Target};
pub use labels::{Label, Labels};
pub use promql::{QueryError, Value};
pub use registry::Registry;
pub use store::Store;

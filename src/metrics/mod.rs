//! What was measured: a bounded store of samples, PromQL over it, rules, and the Prometheus HTTP API.
//!
//! In: exposition text with its time.
//! Out: values, series, alerts; the API that Prometheus has; a registry with which the parts of the lab expose metrics.
//! Never: canaries, sockets, the clock (times are given).

pub mod api;
pub mod database;
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

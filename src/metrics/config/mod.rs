//! What a Prometheus is told in `prometheus.yml`, as far as the lab's can do it.
//!
//! A setting that is not known here is refused with its name, rather than read and not obeyed.
//!
//! In: YAML that was read into JSON. Out: a checked configuration; targets from what was discovered. Never: files,
//! Kubernetes (whoever discovers gives labels).

mod file;
mod relabel;
mod target;

pub use file::{Config, ConfigError, Discovery, Role, ScrapeConfig, Static};
pub use relabel::{Relabelling, relabelled};
pub use target::{Found, find};

#[cfg(test)]
mod tests;

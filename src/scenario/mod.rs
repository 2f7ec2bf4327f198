//! What should happen: scenario files, all their problems at once, the plan, the expectations.
//!
//! A file goes through four stages, and each goes on after a problem, so that one run of `check` reports all of them:
//! a tree with places (`sys::yaml`), the format (`read`, `format`), the objects it is about (`manifests`, `shape`,
//! `scene`), the checks (`check`). What is left without an error is a [`Plan`] (`build`, `release`, `policy`). Afterwards
//! [`expect`] and [`verdict`] read the run's events.
//!
//! In: YAML, and the manifests that it names.
//! Out: a [`Plan`], or problems with file, line, column and what to do; the verdict on a stream of events.
//! Never: labs, tokio, terminals.

mod build;
pub mod builtin;
mod check;
pub mod expect;
mod facts;
mod fields;
mod format;
mod load;
mod manifests;
pub mod plan;
mod policy;
pub mod problem;
mod read;
mod release;
mod scene;
mod schema;
mod shape;
#[cfg(test)]
mod tests;
pub mod verdict;

pub use load::{Disk, OpenError, load, open};
pub use manifests::Files;
pub use plan::Plan;
pub use problem::{Problem, Severity};
pub use release::{MISSING_TAG, UNKNOWN_FLAG, UNREADY_ENV};
pub use schema::{SCHEMA_ID, schema};

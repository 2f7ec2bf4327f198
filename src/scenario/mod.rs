//! What should happen: scenario files, all their problems at once, the plan, the expectations.
//!
//! In: YAML, and the manifests that it names.
//! Out: a [`plan::Plan`], or problems with file, line, column and what to do; the verdict on a stream of events.
//! Never: labs, tokio, terminals.

pub mod expect;
pub mod plan;
pub mod verdict;

pub use plan::Plan;

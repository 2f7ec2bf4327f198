//! Brings objects into a cluster, part by part, and waits until each part is ready.
//!
//! In: parts (objects, what they need first, how long they may take), a cluster.
//! Out: steps as they happen, how long each took, and why one is not ready, in words.
//! Never: what the parts are for, which kind of lab it is, files.
//!
//! Parts that need nothing of each other go side by side. Applying again repairs what is missing and leaves the rest as it is,
//! so whoever was stopped half-way begins anew and comes to the same end.

mod part;
mod ready;
mod remove;
mod run;
mod steps;
mod why;

pub use part::{Act, ActError, Part, PlanError};
pub use ready::{Readiness, readiness};
pub use remove::{Removed, remove};
pub use run::{InstallError, Installer, Others, Timing, is_shared};
pub use steps::{Outcome, Progress, Steps};

//! The four kinds of patch.

pub mod json;
pub mod merge;

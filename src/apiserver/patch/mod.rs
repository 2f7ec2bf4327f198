//! The four kinds of patch, and who owns which field.

pub mod fields;
pub mod json;
pub mod merge;
pub mod owners;
pub mod strategic;
pub mod walk;

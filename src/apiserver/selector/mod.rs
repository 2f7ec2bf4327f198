//! Which objects a list or a watch means.

pub mod field;
pub mod label;

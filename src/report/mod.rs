//! From state and events to text: lines, record, Markdown, HTML, JUnit, JSON.
//!
//! Pure functions of events: the same record gives the same bytes. What the written reports say is made once
//! (`summary`); templates only set it. [`write_all`] is the one place that touches files.
//!
//! [`compare`] puts two records side by side.
//!
//! In: events and state.
//! Out: text.
//! Never: whether the run is live or replayed, how large a terminal is (the caller says), the environment.

pub mod compare;
mod files;
mod junit;
pub mod line;
mod plot;
mod render;
mod result;
mod summary;

pub use files::{RECORD, WriteAllError, write_all};
pub use junit::junit;
pub use render::{html, markdown};
pub use result::json;

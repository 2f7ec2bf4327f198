//! From state and events to text: lines, record, Markdown, HTML, JUnit, JSON.
//!
//! Pure functions of events: the same record gives the same bytes. [`write_all`] is the one place that touches files.
//!
//! In: events and state.
//! Out: text.
//! Never: whether the run is live or replayed, how long a terminal is.

pub mod line;

//! From state and events to text: lines, record, Markdown, HTML, JUnit, JSON.
//!
//! In: events and state.
//! Out: text.
//! Never: whether the run is live or replayed.

//! What to show: a fold of events.
//!
//! In: events.
//! Out: the state that panes, lines and reports draw.
//! Never: terminals, files, who made the events.

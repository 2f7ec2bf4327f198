//! Eyes and hands: the live view.
//!
//! In: events.
//! Out: frames; commands.
//! Never: what makes the events.

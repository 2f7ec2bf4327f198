//! One run: plays the plan against a lab, observes it, numbers the events.
//!
//! In: a plan and a lab.
//! Out: the stream of events.
//! Never: terminals, report formats.

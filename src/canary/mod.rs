//! The judge: one Flagger tick as a pure function.
//!
//! In: a Canary, what was asked of the world, the time.
//! Out: what to ask next, effects, events, status.
//! Never: a clock, I/O, randomness, async, kube.

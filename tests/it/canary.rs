//! The judge, held against Flagger's predicted sequences, its tables of texts and fields, and its invariants.

mod tables;
mod world;

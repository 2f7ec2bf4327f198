//! The judge, held against Flagger's predicted sequences, its tables of texts and fields, and its invariants.

mod hooks;
mod routers;
mod status;
mod tables;
mod world;

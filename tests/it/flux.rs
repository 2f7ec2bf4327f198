//! Flux on the embedded lab: the controllers of others find everything they need in its API.

mod gitops;
mod support;

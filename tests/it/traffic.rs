//! The data plane as a whole, and its stand-ins held against the real programs.

mod chain;
mod loadtester;
mod podinfo;
mod program;

//! coalmine: a canary-release lab in one binary.
//!
//! The modules are listed in the order in which the data flows; `docs/ARCHITECTURE.md` has the drawing and says who may
//! import whom.

#![forbid(unsafe_code)]

pub mod apiserver;
pub mod artifact;
pub mod canary;
pub mod cli;
pub mod cluster;
pub mod controller;
pub mod edge;
pub mod event;
pub mod home;
pub mod install;
pub mod lab;
pub mod machine;
pub mod metrics;
pub mod model;
pub mod report;
pub mod scenario;
pub mod session;
pub mod stack;
pub mod state;
pub mod sys;
pub mod traffic;
pub mod tui;
pub mod workload;

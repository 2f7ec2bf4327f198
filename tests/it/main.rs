//! The one integration binary: its dependencies are linked once.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails says so by panicking")]
#![allow(clippy::too_many_lines, reason = "a table of cases is as long as its cases are many")]

mod apiserver;
mod canary;
mod ci;
mod connection;
mod context;
mod controller;
mod dashboards;
mod docs;
mod edge;
mod fidelity;
mod flux;
mod forward;
mod install;
mod kind;
mod kubectl;
mod metrics;
mod minikube;
mod pods;
mod real;
mod runs;
mod scenario;
mod sessions;
mod tidy;
mod traffic;
mod up;
mod views;
mod workload;

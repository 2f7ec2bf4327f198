//! The one integration binary: its dependencies are linked once.

mod apiserver;
mod canary;
mod controller;
mod metrics;
mod runs;
mod scenario;
mod tidy;
mod traffic;
mod views;
mod workload;

//! The data plane: router, demo app, faults, load generator, load tester.
//!
//! Everything speaks [`crate::sys::http`] and waits on tokio's clock alone, so the same code runs on the simulated and on
//! the wall clock. The simulated clock moves in whole milliseconds; latencies on it are rounded up to them.
//!
//! - [`demo`]: podinfo's stand-in, as a process that starts (or fails to), serves, and exits.
//! - [`route`]: which backend a request is for: ingress-nginx' rules and the Gateway API's. Pure.
//! - [`router`]: carries a request to that backend, as nginx would, and counts it under ingress-nginx' metric names.
//! - [`load`]: an open-loop generator of requests, and what its clients saw.
//! - [`loadtester`]: Flagger's load tester: gates, rollback switch, and commands that start traffic. No shell is run.
//!
//! In: requests, routes, faults.
//! Out: answers, samples, exposition text.
//! Never: canaries' decisions, the Kubernetes API, other clocks than tokio's.

pub mod demo;
pub mod load;
pub mod loadtester;
pub mod process;
pub mod route;
pub mod router;
pub mod tally;

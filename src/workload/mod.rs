//! The controllers and the kubelet that a canary needs: Deployment, ReplicaSet, Pod, Service, HPA.
//!
//! In: objects from the embedded API.
//! Out: objects, and running processes behind pods.
//! Never: canaries, routers, HTTP of its own.

pub mod hpa;
pub mod kubelet;
pub mod runtime;
pub mod service;
mod timing;

pub use hpa::MetricSource;
pub use kubelet::Pods;
pub use service::{Endpoint, Endpoints};
pub use timing::{Span, Timing};

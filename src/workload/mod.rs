//! The controllers and the kubelet that a canary needs: Deployment, ReplicaSet, Pod, Service, HPA.
//!
//! In: objects from the embedded API; a [`runtime::Runtime`] that makes images run; a [`MetricSource`].
//! Out: objects and Kubernetes Events; running processes behind pods ([`Pods`]); who is ready behind a Service ([`Endpoints`]);
//! what containers print, and their processes for commands ([`Containers`]).
//! Never: canaries, routers, HTTP of its own; a pass of a controller that waits for anything.
//!
//! Each controller is one task with one [`queue`] of keys. Watches put keys in; a pass reads what it needs from the API,
//! decides in a pure function, and writes. A pass never awaits, so nothing can change under it, and what it reads is what
//! it acts on: there are no caches to be stale. Only the kubelet's workers wait, each for its own pod.

mod client;
mod controllers;
mod deployment;
mod events;
pub mod hpa;
mod json;
pub mod kubelet;
mod names;
mod quantity;
mod queue;
mod replicaset;
pub mod runtime;
pub mod service;
mod timing;

pub use controllers::{Controllers, Settings};
pub use hpa::MetricSource;
pub use kubelet::{Containers, Pods};
pub use service::{Endpoint, Endpoints};
pub use timing::{Span, Timing};

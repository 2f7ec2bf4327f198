//! Controllers and kubelet on the real embedded server, on a paused clock, with a fake runtime.

mod autoscaling;
mod cluster;
mod fake;
mod pods;
mod rollout;
mod services;

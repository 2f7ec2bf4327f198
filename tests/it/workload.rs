//! Controllers and kubelet on the real embedded server, on a paused clock, with a fake runtime.

#[cfg(test)]
mod autoscaling;
#[cfg(test)]
mod cluster;
#[cfg(test)]
pub mod fake;
#[cfg(test)]
mod pods;
#[cfg(test)]
mod rollout;
#[cfg(test)]
mod services;

//! Faults that are switched on and off while the app runs.
//!
//! Several can be on at once, one of each kind. Each draws for itself whether it hits a request: a delay is waited out
//! first, then hang, reset, 500 and 503 are tried in this order.

use crate::model::fault::{DelaySpec, FaultKind, FaultSpec};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, Exp, Normal};
use std::collections::BTreeMap;
use std::time::Duration;

/// No added delay is longer than this, whatever the distribution draws.
pub const MAX_DELAY: Duration = Duration::from_secs(3600);

/// The faults that are on.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults(BTreeMap<FaultKind, FaultSpec>);

/// What befalls one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Hit {
    pub(super) delay: Duration,
    pub(super) failure: Option<Failure>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    Hang,
    Reset,
    Status(u16),
}

/// Why a fault cannot be switched on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    #[error("the body is not a fault such as {{\"fault\": \"http-500\", \"rate\": 0.3}}: {0}")]
    Unreadable(String),
    #[error("rate is {0}; it is a share of requests, from 0 to 1")]
    Rate(String),
    #[error(
        "a delay fault needs its delay, such as {{\"fault\": \"delay\", \"rate\": 1, \"delay\": {{\"fixed\": {{\"millis\": 500}}}}}}"
    )]
    NoDelay,
    #[error("the delay's numbers must be 0 or more, and the lower bound not above the upper one")]
    Delay,
    #[error("{0} is part of a release: it changes the pod template and cannot be switched on in a running pod")]
    InTemplate(&'static str),
}

impl Faults {
    /// podinfo's own switch: every request fails with 500.
    pub(super) fn enable_all(&mut self) {
        self.0.insert(FaultKind::Http500, FaultSpec { fault: FaultKind::Http500, rate: 1.0, delay: None });
    }

    /// Switches one fault on, in place of an earlier one of its kind.
    pub(super) fn enable(&mut self, body: &[u8]) -> Result<(), FaultError> {
        let spec: FaultSpec =
            serde_json::from_slice(body).map_err(|error| FaultError::Unreadable(error.to_string()))?;
        check(&spec)?;
        self.0.insert(spec.fault, spec);
        Ok(())
    }

    /// Switches one kind off (`{"fault": "delay"}`, more fields allowed), or all of them for an empty body.
    pub(super) fn disable(&mut self, body: &[u8]) -> Result<(), FaultError> {
        if body.is_empty() {
            self.0.clear();
            return Ok(());
        }
        let body: serde_json::Value =
            serde_json::from_slice(body).map_err(|error| FaultError::Unreadable(error.to_string()))?;
        let kind = body.get("fault").cloned().unwrap_or_default();
        let kind: FaultKind =
            serde_json::from_value(kind).map_err(|error| FaultError::Unreadable(error.to_string()))?;
        self.0.remove(&kind);
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn specs(&self) -> impl Iterator<Item = &FaultSpec> {
        self.0.values()
    }

    /// Draws what befalls one request. Every fault that is on draws, hit or not, so that one fault's luck does not
    /// change another's numbers.
    pub(super) fn draw(&self, rng: &mut ChaCha8Rng) -> Hit {
        let mut hit = Hit::default();
        for kind in
            [FaultKind::Delay, FaultKind::Hang, FaultKind::ConnectionReset, FaultKind::Http500, FaultKind::Http503]
        {
            let Some(spec) = self.0.get(&kind) else { continue };
            // Drawn from [0, 1), so 0 never hits and 1 always does.
            let draw: f64 = rng.random();
            if draw >= spec.rate {
                continue;
            }
            let failure = match kind {
                FaultKind::Hang => Failure::Hang,
                FaultKind::ConnectionReset => Failure::Reset,
                FaultKind::Http500 => Failure::Status(500),
                FaultKind::Http503 => Failure::Status(503),
                _ => {
                    hit.delay = spec.delay.map_or(Duration::ZERO, |delay| duration(delay, rng));
                    continue;
                }
            };
            hit.failure = hit.failure.or(Some(failure));
        }
        hit
    }
}

/// podinfo leaves probes, metrics and the switch itself alone, so that the pod is not torn down.
pub(super) fn is_exempt(path: &str) -> bool {
    path.starts_with("/fault_injection")
        || matches!(path, "/healthz" | "/readyz" | "/metrics")
        || path.starts_with("/debug/")
}

fn check(spec: &FaultSpec) -> Result<(), FaultError> {
    if spec.fault.lives_in_template() {
        return Err(FaultError::InTemplate(spec.fault.name()));
    }
    if !(0.0..=1.0).contains(&spec.rate) {
        return Err(FaultError::Rate(spec.rate.to_string()));
    }
    let fits = match (spec.fault, spec.delay) {
        (FaultKind::Delay, None) => return Err(FaultError::NoDelay),
        (_, None | Some(DelaySpec::Fixed { .. })) => true,
        (_, Some(DelaySpec::Uniform { min_millis, max_millis })) => min_millis <= max_millis,
        (_, Some(DelaySpec::Normal { mean_millis, std_dev_millis })) => {
            mean_millis.is_finite() && mean_millis >= 0.0 && std_dev_millis.is_finite() && std_dev_millis >= 0.0
        }
        (_, Some(DelaySpec::Exponential { mean_millis })) => mean_millis.is_finite() && mean_millis >= 0.0,
    };
    fits.then_some(()).ok_or(FaultError::Delay)
}

fn duration(delay: DelaySpec, rng: &mut ChaCha8Rng) -> Duration {
    let millis = match delay {
        DelaySpec::Fixed { millis } => millis as f64,
        DelaySpec::Uniform { min_millis, max_millis } => rng.random_range(min_millis..=max_millis) as f64,
        DelaySpec::Normal { mean_millis, std_dev_millis } => {
            Normal::new(mean_millis, std_dev_millis).map_or(mean_millis, |normal| normal.sample(rng))
        }
        DelaySpec::Exponential { mean_millis } => {
            Exp::new(1.0 / mean_millis).map_or(mean_millis, |exponential| exponential.sample(rng))
        }
    };
    // NaN and what is below zero become zero.
    Duration::from_secs_f64((millis / 1000.0).max(0.0).min(MAX_DELAY.as_secs_f64()))
}

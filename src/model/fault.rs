//! Faults by name: what a scenario may break in the demo app, at a rate, for a time, on the canary or on all.
//!
//! A fault has two homes. Those of [`FaultKind::lives_in_template`] are part of a release: they change the pod template, so
//! they mean the same on every lab. The others are switched on and off while the app runs, by a request to the pod through
//! the Kubernetes API's pod proxy (`POST /fault_injection/enable`, podinfo's own switch since 6.13.0; a body with a
//! [`FaultSpec`] is what the embedded lab's demo app understands beyond podinfo's plain 500s).

use serde::{Deserialize, Serialize};

/// The closed list of faults. The names are what people write in scenarios.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// Answers 500 Internal Server Error.
    // serde's own kebab-case would be `http500`.
    #[serde(rename = "http-500")]
    Http500,
    /// Answers 503 Service Unavailable.
    #[serde(rename = "http-503")]
    Http503,
    /// Answers after an added delay.
    Delay,
    /// Accepts the request and never answers; the router gives up with 504 at its own time limit.
    Hang,
    /// Closes the connection without an answer; the router answers 502.
    ConnectionReset,
    /// Becomes ready late.
    SlowStart,
    /// Exits at start, again and again.
    Crash,
    /// Runs, but its readiness probe always fails.
    NeverReady,
    /// The image does not exist, so it cannot be pulled.
    ImagePull,
}

impl FaultKind {
    pub const ALL: [Self; 9] = [
        Self::Http500,
        Self::Http503,
        Self::Delay,
        Self::Hang,
        Self::ConnectionReset,
        Self::SlowStart,
        Self::Crash,
        Self::NeverReady,
        Self::ImagePull,
    ];

    /// Whether the fault is a change of the pod template, and so can only come with a release.
    #[must_use]
    pub fn lives_in_template(self) -> bool {
        matches!(self, Self::SlowStart | Self::Crash | Self::NeverReady | Self::ImagePull)
    }

    /// The name as people write it in scenarios: `http-500`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http500 => "http-500",
            Self::Http503 => "http-503",
            Self::Delay => "delay",
            Self::Hang => "hang",
            Self::ConnectionReset => "connection-reset",
            Self::SlowStart => "slow-start",
            Self::Crash => "crash",
            Self::NeverReady => "never-ready",
            Self::ImagePull => "image-pull",
        }
    }
}

/// How long an added delay is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DelaySpec {
    /// Always this many milliseconds.
    Fixed { millis: u64 },
    /// Evenly between two bounds, in milliseconds.
    Uniform { min_millis: u64, max_millis: u64 },
    /// Normal distribution, cut off at zero, in milliseconds.
    Normal { mean_millis: f64, std_dev_millis: f64 },
    /// Exponential distribution with this mean, in milliseconds: a long tail.
    Exponential { mean_millis: f64 },
}

impl std::fmt::Display for DelaySpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fixed { millis } => write!(f, "{millis} ms"),
            Self::Uniform { min_millis, max_millis } => write!(f, "{min_millis} to {max_millis} ms"),
            Self::Normal { mean_millis, std_dev_millis } => write!(f, "{mean_millis} ± {std_dev_millis} ms"),
            Self::Exponential { mean_millis } => write!(f, "{mean_millis} ms on average, long tail"),
        }
    }
}

/// One running fault, as it is sent to a demo app (JSON body of `POST /fault_injection/enable`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultSpec {
    pub fault: FaultKind,
    /// Share of requests that are hit, 0 to 1.
    pub rate: f64,
    /// For [`FaultKind::Delay`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<DelaySpec>,
}

/// Which pods a fault is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema, Default)]
#[serde(rename_all = "kebab-case")]
pub enum FaultTarget {
    /// The pods of the target Deployment: the new version.
    #[default]
    Canary,
    /// The pods of `<target>-primary`: the version that users had.
    Primary,
    All,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_in_files_and_in_words() {
        for fault in FaultKind::ALL {
            assert_eq!(serde_json::to_value(fault).unwrap(), fault.name());
        }
    }
}

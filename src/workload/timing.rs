//! How long the simulated machine takes for what a real one needs time for.

use std::time::Duration;

/// Simulated times of the node. Each is drawn evenly from `base` to `base + jitter`, from the seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// From the pod's creation to its binding.
    pub schedule: Span,
    /// Making the sandbox: the pod has its IP afterwards.
    pub sandbox: Span,
    /// Pulling an image that the node does not have.
    pub pull: Span,
    /// Creating and starting a container from an image that is there.
    pub start: Span,
    /// Asking the registry for an image that it does not have.
    pub pull_failure: Span,
}

/// A time with seeded jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub base: Duration,
    pub jitter: Duration,
}

impl Span {
    /// From `base` to `base + jitter`, milliseconds.
    #[must_use]
    pub const fn millis(base: u64, jitter: u64) -> Self {
        Self { base: Duration::from_millis(base), jitter: Duration::from_millis(jitter) }
    }

    /// One draw, whole milliseconds.
    pub(super) fn draw(self, rng: &mut impl rand::Rng) -> Duration {
        use rand::RngExt;
        let jitter = u64::try_from(self.jitter.as_millis()).unwrap_or(u64::MAX);
        self.base + Duration::from_millis(rng.random_range(0..=jitter))
    }
}

impl Default for Timing {
    /// A laptop with a warm registry mirror: a pod with a cached image runs about a second after it was made.
    fn default() -> Self {
        Self {
            schedule: Span::millis(5, 20),
            sandbox: Span::millis(350, 250),
            pull: Span::millis(1_800, 900),
            start: Span::millis(250, 200),
            pull_failure: Span::millis(400, 500),
        }
    }
}

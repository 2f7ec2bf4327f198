//! The only clock. It is tokio's, so a paused runtime makes it the simulated clock and nothing else has to know.

use jiff::Timestamp;
use std::time::Duration;
use tokio::time::Instant;

/// Where simulated time begins, so that one seed gives one record: 2026-01-01T00:00:00Z.
pub const SIMULATED_EPOCH_SECONDS: i64 = 1_767_225_600;

/// Time since the lab was made, and the wall-clock time that stands for it. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    epoch: Timestamp,
    simulated: bool,
}

impl Clock {
    /// The simulated clock. The runtime must be paused (`start_paused`), single-threaded, and free of sockets.
    #[must_use]
    pub fn simulated() -> Self {
        let epoch = Timestamp::from_second(SIMULATED_EPOCH_SECONDS).expect("the epoch is a valid time");
        Self { started: Instant::now(), epoch, simulated: true }
    }

    /// The machine's clock.
    #[must_use]
    pub fn wall() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
        let epoch = Timestamp::now();
        Self { started: Instant::now(), epoch, simulated: false }
    }

    /// Since the lab was made.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Now, as a date: the epoch plus what has elapsed.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.stamp(self.elapsed())
    }

    /// The date of a moment that lies `elapsed` after the start.
    #[must_use]
    pub fn stamp(&self, elapsed: Duration) -> Timestamp {
        self.epoch.checked_add(elapsed).unwrap_or(Timestamp::MAX)
    }

    /// Waits until `elapsed` after the start; returns at once when that has passed.
    pub async fn sleep_until(&self, elapsed: Duration) {
        tokio::time::sleep_until(self.started + elapsed).await;
    }

    #[must_use]
    pub fn is_simulated(&self) -> bool {
        self.simulated
    }
}

/// A date as Kubernetes writes it in `metav1.Time`: RFC 3339, UTC, whole seconds.
#[must_use]
pub fn rfc3339(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

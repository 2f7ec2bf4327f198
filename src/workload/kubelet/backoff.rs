//! The kubelet's two back-offs: before an image is pulled again, and before a container is started again.

use std::time::Duration;
use tokio::time::Instant;

/// First wait.
pub(super) const INITIAL: Duration = Duration::from_secs(10);

/// Longest wait.
pub(super) const MAX: Duration = Duration::from_secs(300);

/// Who has done well for this long starts from the beginning: twice the longest wait.
const FORGIVEN_AFTER: Duration = Duration::from_secs(2 * MAX.as_secs());

/// One doubling wait, `client-go/util/flowcontrol.Backoff` for one key.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Backoff {
    /// The wait in force, and when it was last raised.
    entry: Option<(Duration, Instant)>,
}

impl Backoff {
    /// How long after `event` (the failure) the next try has to wait; zero the first time.
    pub(super) fn wait(&self, event: Instant) -> Duration {
        match self.entry {
            Some((wait, raised)) if event.saturating_duration_since(raised) <= FORGIVEN_AFTER => wait,
            _ => Duration::ZERO,
        }
    }

    /// The next try begins now, after the failure at `event`: 10 s, 20 s, 40 s, … 300 s.
    pub(super) fn next(&mut self, event: Instant) {
        let wait = match self.entry {
            Some((wait, raised)) if event.saturating_duration_since(raised) <= FORGIVEN_AFTER => (wait * 2).min(MAX),
            _ => INITIAL,
        };
        self.entry = Some((wait, Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The waits before each restart of a container that runs for `lives` and then fails.
    async fn waits(lives: &[u64]) -> Vec<u64> {
        let mut backoff = Backoff::default();
        let mut seen = Vec::new();
        for life in lives {
            tokio::time::advance(Duration::from_secs(*life)).await;
            let failed = Instant::now();
            let wait = backoff.wait(failed);
            tokio::time::advance(wait).await;
            backoff.next(failed);
            seen.push(wait.as_secs());
        }
        seen
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_restart_is_at_once_and_then_the_wait_doubles_up_to_five_minutes() {
        assert_eq!(waits(&[1; 9]).await, [0, 10, 20, 40, 80, 160, 300, 300, 300]);
    }

    #[tokio::test(start_paused = true)]
    async fn ten_good_minutes_are_forgiven() {
        assert_eq!(waits(&[1, 1, 1, 601, 1, 1]).await, [0, 10, 20, 0, 10, 20]);
        assert_eq!(waits(&[1, 1, 1, 600, 1]).await, [0, 10, 20, 40, 80]);
    }
}

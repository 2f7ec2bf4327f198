//! When a run is over: the Canary has come to rest, with no step left.

use super::observe::Seen;
use crate::model::canary::Phase;
use crate::sys::clock::Clock;
use std::time::Duration;
use tokio::sync::watch;

/// Whether the Canary is at rest after a release.
fn at_rest(phase: Phase) -> bool {
    matches!(phase, Phase::Succeeded | Phase::Failed)
}

/// Ends when the Canary has been at rest for `settle` and a run was seen since `release`: what was seen when the last
/// release step was taken. Without a release there is nothing to decide, and this never ends.
pub(crate) async fn decided(clock: Clock, mut seen: watch::Receiver<Seen>, release: Option<Seen>, settle: Duration) {
    let Some(release) = release else { return std::future::pending().await };
    let was_running = !at_rest(release.phase) && release.runs > 0;
    loop {
        let over = |it: &Seen| at_rest(it.phase) && (it.runs > release.runs || was_running);
        if seen.wait_for(over).await.is_err() {
            return;
        }
        let until = clock.elapsed() + settle;
        tokio::select! {
            biased;
            // It started anew: a release that came while the last one was being finished.
            left = seen.wait_for(|it| !at_rest(it.phase)) => if left.is_err() { return },
            () = clock.sleep_until(until) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(phase: Phase, runs: u64) -> Seen {
        Seen { phase, weight: 0, runs }
    }

    /// Plays phases at one-second beats and gives the second at which the run is decided.
    async fn decided_at(release: Option<Seen>, phases: &[Seen]) -> Option<u64> {
        let clock = Clock::simulated();
        let (sender, receiver) = watch::channel(Seen::default());
        let feed = async {
            for (second, it) in (0u64..).zip(phases) {
                clock.sleep_until(Duration::from_secs(second)).await;
                sender.send_replace(*it);
            }
            clock.sleep_until(Duration::from_mins(1)).await;
        };
        tokio::select! {
            biased;
            () = decided(clock, receiver, release, Duration::from_secs(3)) => Some(clock.elapsed().as_secs()),
            () = feed => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_is_decided_once_the_canary_rests_after_the_last_release() {
        use Phase::{Failed, Finalising, Initialized, Progressing, Succeeded};
        let from_rest = Some(seen(Initialized, 0));
        let healthy = [seen(Initialized, 0), seen(Progressing, 1), seen(Succeeded, 1)];
        assert_eq!(decided_at(from_rest, &healthy).await, Some(5), "two seconds in, and three to settle");
        assert_eq!(decided_at(from_rest, &[seen(Succeeded, 0)]).await, None, "the rest from before does not count");
        let mid_run = Some(seen(Progressing, 1));
        assert_eq!(decided_at(mid_run, &[seen(Progressing, 1), seen(Failed, 1)]).await, Some(4));
        let again = [seen(Finalising, 1), seen(Succeeded, 1), seen(Progressing, 2), seen(Succeeded, 2)];
        assert_eq!(decided_at(Some(seen(Finalising, 1)), &again).await, Some(6), "it went on, so it was not over");
        assert_eq!(decided_at(None, &healthy).await, None, "nothing was released");
    }
}

//! Trying again while the Kubernetes API does not answer. A run outlives an API server that is gone for a while; it gives
//! up, by name and with exit code 3, after [`GIVE_UP_AFTER`].

use super::bus::Bus;
use crate::cluster::{Client, ClusterError};
use crate::event::{Event, Note};
use crate::model::duration::go;
use crate::sys::clock::Clock;
use std::time::Duration;
use tokio::time::timeout;

/// How long the Kubernetes API may be gone before a run ends without a verdict.
pub(crate) const GIVE_UP_AFTER: Duration = Duration::from_mins(2);
/// Waits between attempts: doubled from the first to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How often the API is asked whether it is there, and how long one answer may take.
const ASK_EVERY: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How often while it is gone.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// The API was gone for longer than a run waits.
#[derive(Debug, thiserror::Error)]
#[error("the Kubernetes API has not answered for {}: {why}", go(GIVE_UP_AFTER))]
pub struct Lost {
    why: String,
}

/// Asks until the answer is one: what may pass ([`ClusterError::is_passing`]) is tried again for [`GIVE_UP_AFTER`]. What
/// is asked may be carried out twice, when an answer was lost.
pub(crate) async fn insist<T, F>(clock: Clock, ask: impl FnMut() -> F) -> Result<T, ClusterError>
where
    F: Future<Output = Result<T, ClusterError>>,
{
    insist_for(clock, GIVE_UP_AFTER, ask).await
}

/// As [`insist`], for as long as it is given.
pub(crate) async fn insist_for<T, F>(
    clock: Clock,
    at_most: Duration,
    mut ask: impl FnMut() -> F,
) -> Result<T, ClusterError>
where
    F: Future<Output = Result<T, ClusterError>>,
{
    let until = clock.elapsed() + at_most;
    let mut wait = FIRST_WAIT;
    loop {
        match ask().await {
            Err(error) if error.is_passing() && clock.elapsed() + wait < until => {
                clock.sleep_until(clock.elapsed() + wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
            done => return done,
        }
    }
}

/// Watches over the Kubernetes API and tells when it goes and when it is back. Ends when it was gone for too long.
pub(crate) async fn watch_over(cluster: Client, clock: Clock, bus: Bus) -> Lost {
    let note = |text: String| bus.publish(Event::Note(Note { text }));
    loop {
        clock.sleep_until(clock.elapsed() + ASK_EVERY).await;
        let asked = clock.elapsed();
        let Err(why) = is_there(&cluster).await else { continue };
        note(format!("the Kubernetes API does not answer: {why}; trying again for {}", go(GIVE_UP_AFTER)));
        if let Some(lost) = until_back(&cluster, clock, asked + GIVE_UP_AFTER).await {
            return lost;
        }
        let gone = Duration::from_secs(clock.elapsed().saturating_sub(asked).as_secs());
        note(format!("the Kubernetes API answers again, after {}", go(gone)));
    }
}

/// None when it is back in time.
async fn until_back(cluster: &Client, clock: Clock, until: Duration) -> Option<Lost> {
    loop {
        clock.sleep_until(clock.elapsed() + ASK_AGAIN).await;
        let Err(why) = is_there(cluster).await else { return None };
        if clock.elapsed() >= until {
            return Some(Lost { why });
        }
    }
}

/// A refusal is an answer too.
async fn is_there(cluster: &Client) -> Result<(), String> {
    match timeout(ANSWER_WITHIN, cluster.greet()).await {
        Err(_) => Err(format!("no answer within {}", go(ANSWER_WITHIN))),
        Ok(Err(error)) if error.is_passing() => Err(error.to_string()),
        Ok(_) => Ok(()),
    }
}

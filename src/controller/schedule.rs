//! The control loop and its jobs.
//!
//! A job ticks once when it starts and then on the grid of its interval. Ticks of one job never overlap: while one lasts,
//! one beat is kept and delivered at once afterwards, further missed beats are dropped, and the grid stays where it was.

use crate::canary::tick;
use crate::controller::log::Level;
use crate::controller::sync::{self, Canaries, Known};
use crate::controller::{Context, drive};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Starts informer and control loop; `stop` ends them and every job.
pub(super) fn start(context: &Arc<Context>, stop: &CancellationToken, tasks: &TaskTracker) {
    let canaries = Canaries::default();
    let informer = sync::run(context.clone(), canaries.clone());
    let halt = stop.clone();
    tasks.spawn(async move { halt.run_until_cancelled(informer).await });
    let (context, halt, tasks_of_jobs) = (context.clone(), stop.clone(), tasks.clone());
    tasks.spawn(async move {
        let mut scheduler =
            Scheduler { context, canaries, jobs: BTreeMap::new(), stop: halt.clone(), tasks: tasks_of_jobs };
        halt.run_until_cancelled(scheduler.run()).await
    });
}

/// The shortest period of anything here; a zero would never let time pass.
const MIN_PERIOD: Duration = Duration::from_secs(1);

/// Beats from one `period` from now on. `Skip` is what Go's ticker does: one late beat, then the old grid.
fn beats(period: Duration) -> Interval {
    let period = period.max(MIN_PERIOD);
    let mut beats = interval_at(Instant::now() + period, period);
    beats.set_missed_tick_behavior(MissedTickBehavior::Skip);
    beats
}

struct Job {
    interval: Duration,
    /// Ends the job after the tick that it is in.
    stop: CancellationToken,
}

struct Scheduler {
    context: Arc<Context>,
    canaries: Canaries,
    jobs: BTreeMap<String, Job>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Scheduler {
    async fn run(&mut self) {
        let mut beats = beats(self.context.settings.control_loop_interval);
        loop {
            beats.tick().await;
            self.schedule();
        }
    }

    fn schedule(&mut self) {
        let current = self.canaries.all();
        let mut totals: BTreeMap<&str, usize> = BTreeMap::new();
        for (key, known) in &current {
            if self.jobs.get(key).is_none_or(|job| job.interval != known.interval) {
                self.start_job(key, known);
            }
            *totals.entry(&known.canary.namespace).or_default() += 1;
        }
        for (namespace, canaries) in totals {
            self.context.meters.set_total(namespace, canaries);
        }
        self.jobs.retain(|key, job| {
            let wanted = current.contains_key(key);
            if !wanted {
                job.stop.cancel();
            }
            wanted
        });
        self.warn_of_shared_targets(&current);
    }

    fn start_job(&mut self, key: &str, known: &Known) {
        let stop = self.stop.child_token();
        let old = self.jobs.insert(key.to_owned(), Job { interval: known.interval, stop: stop.clone() });
        if let Some(old) = old {
            old.stop.cancel();
        }
        let (context, canary, interval, shutdown) =
            (self.context.clone(), known.canary.clone(), known.interval, self.stop.clone());
        let job = async move {
            repeat(interval, &stop, || async {
                drive::run(&context, &canary, tick).await;
            })
            .await;
        };
        self.tasks.spawn(async move { shutdown.run_until_cancelled(job).await });
    }

    fn warn_of_shared_targets(&self, current: &BTreeMap<String, Known>) {
        let mut by_target: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (key, known) in current {
            by_target.entry(&known.target).or_default().push(key);
        }
        for (target, sharing) in by_target.iter().filter(|(_, sharing)| sharing.len() > 1) {
            let message = format!("Bad things will happen! Found more than one canary with the same target {target}");
            for key in sharing {
                self.context.log.write(Level::Error, key, &message);
            }
        }
    }
}

/// Runs `tick` at once and then on every beat, until `stop`; a tick that has begun is finished.
async fn repeat<F: Future<Output = ()>>(interval: Duration, stop: &CancellationToken, mut tick: impl FnMut() -> F) {
    let mut beats = beats(interval);
    loop {
        tick().await;
        if stop.run_until_cancelled(beats.tick()).await.is_none() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;

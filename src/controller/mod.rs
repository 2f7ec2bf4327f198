//! Carries out what the judge asks, against three endpoints: Kubernetes, Prometheus, webhooks.
//!
//! [`Controller::start`] sets two loops going. The *informer* watches Canary objects, validates them and remembers them; the
//! *control loop* gives each of them a *job*, which ticks at once and then on the grid of its interval. A tick is
//! [`crate::canary::tick()`] with its questions answered one after another, so a slow hook stretches it.
//!
//! In: Canary objects.
//! Out: effects in the cluster, Kubernetes Events, alerts, Flagger's own metrics, a complete log.
//! Never: decisions of its own.
//!
//! Decisions
//! - Kubernetes Events are lossy as in Flagger (correlator, token bucket); [`Log`] is complete. Lost ones are counted in
//!   `coalmine_controller_events_lost_total`, the one metric here that Flagger does not have.
//! - Two events of one instant get different names: the nanoseconds in a name only ever grow. On Flagger's machine time
//!   does that by itself; on the simulated clock it stands still within a tick.
//! - A Canary that the API would not let us write is tried again with client-go's back-off; an invalid one is not, until
//!   its spec changes.
//! - A job that is replaced or removed finishes the tick it is in, as in Flagger; shutting down ends everything at once.

mod alerts;
mod correlate;
mod drive;
mod events;
mod hooks;
pub mod log;
mod meters;
mod notify;
mod prometheus;
mod schedule;
mod sync;
#[cfg(test)]
mod testing;

pub use log::Log;

use crate::canary;
use crate::cluster::Client;
use crate::sys::clock::Clock;
use crate::sys::http::SharedHttp;
use crate::sys::output::Output;
use crate::sys::rng::Seed;
use events::Recorder;
use meters::Meters;
use rand::rngs::ChaCha8Rng;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// The version of Flagger whose behaviour this is; `flagger_info` says it.
pub const FLAGGER_VERSION: &str = "1.44.0";

/// The controller's flags, with Flagger's defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The flags that decisions depend on.
    pub judge: canary::Settings,
    /// `-control-loop-interval`: how often new and changed Canaries get their jobs. The first time after one interval. At
    /// least one second.
    pub control_loop_interval: Duration,
    /// `-namespace`: only watch this one; all where it is empty.
    pub namespace: String,
    /// `-event-webhook`: for Canaries without an `event` hook of their own; none where it is empty.
    pub event_webhook: String,
    /// `-slack-url`, for Canaries that list no alerts; none where it is empty.
    pub slack_url: String,
    /// `-slack-user`
    pub slack_user: String,
    /// `-slack-channel`
    pub slack_channel: String,
    /// `-msteams-url`, which goes before Slack.
    pub msteams_url: String,
    /// Source of `flagger-id` annotations and session cookies.
    pub seed: Seed,
    /// Where its log is printed; nowhere by default.
    pub output: Output,
    /// `-log-level`: the least serious level that is printed.
    pub log_level: log::Level,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            judge: canary::Settings::default(),
            control_loop_interval: Duration::from_secs(10),
            namespace: String::new(),
            event_webhook: String::new(),
            slack_url: String::new(),
            slack_user: "flagger".to_owned(),
            slack_channel: String::new(),
            msteams_url: String::new(),
            seed: Seed(0),
            output: Output::default(),
            log_level: log::Level::Debug,
        }
    }
}

/// What every part of a running controller shares.
struct Context {
    client: Client,
    http: SharedHttp,
    clock: Clock,
    settings: Settings,
    meters: Arc<Meters>,
    recorder: Recorder,
    log: Log,
    random: Mutex<ChaCha8Rng>,
}

/// A Flagger, in this process.
#[derive(Debug)]
pub struct Controller;

impl Controller {
    /// Starts a controller; it runs until the handle is dropped or shut down. Must be called inside a tokio runtime.
    #[must_use]
    pub fn start(client: Client, http: SharedHttp, clock: Clock, settings: Settings) -> Handle {
        let log = Log::new(clock).printing(settings.output.clone(), settings.log_level);
        let meters = Arc::new(Meters::new(FLAGGER_VERSION, &settings.judge.mesh_provider));
        let (recorder, delivery) = Recorder::new(client.clone(), clock, meters.clone(), log.clone());
        let random = Mutex::new(settings.seed.stream("controller"));
        let context = Arc::new(Context {
            client,
            http,
            clock,
            settings,
            meters: meters.clone(),
            recorder,
            log: log.clone(),
            random,
        });
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let halt = stop.clone();
        tasks.spawn(async move { halt.run_until_cancelled(delivery).await });
        schedule::start(&context, &stop, &tasks);
        tasks.close();
        Handle { meters, log, tasks, stop: stop.drop_guard() }
    }
}

/// A running controller. Dropping it stops everything that it started.
#[derive(Debug)]
pub struct Handle {
    meters: Arc<Meters>,
    log: Log,
    tasks: TaskTracker,
    stop: DropGuard,
}

impl Handle {
    /// What a scrape of Flagger's `/metrics` reads: the Prometheus text format.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.meters.encode()
    }

    /// The complete log.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Stops the controller in mid-tick if need be, and waits until nothing of it runs any more.
    pub async fn shutdown(self) {
        self.stop.disarm().cancel();
        self.tasks.wait().await;
    }
}

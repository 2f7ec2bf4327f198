//! What the API knows of the process.

use super::Parts;
use super::files::{Loaded, fresh};
use super::flags::Flags;
use crate::metrics::api::Host;
use crate::metrics::config::ScrapeConfig;
use crate::workload::runtime::ContainerSpec;
use futures_util::future::{BoxFuture, FutureExt};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A Prometheus that runs.
pub(super) struct Running {
    parts: Parts,
    container: ContainerSpec,
    config_file: String,
    started_ms: i64,
    state: Mutex<State>,
    /// Whoever scrapes waits for changes; there is one.
    jobs: watch::Sender<Vec<ScrapeConfig>>,
    stopped: CancellationToken,
}

struct State {
    text: String,
    external_labels: BTreeMap<String, String>,
    loaded_ms: i64,
    well: bool,
}

impl Running {
    /// The process, and the scrape jobs whenever they change.
    pub(super) fn new(
        parts: Parts,
        container: ContainerSpec,
        flags: &Flags,
        loaded: Loaded,
        stopped: CancellationToken,
    ) -> (Self, watch::Receiver<Vec<ScrapeConfig>>) {
        let now_ms = parts.clock.now().as_millisecond();
        let Loaded { text, config, .. } = loaded;
        let (jobs, changes) = watch::channel(config.jobs);
        let state = State { text, external_labels: config.external_labels, loaded_ms: now_ms, well: true };
        let (config_file, state) = (flags.config_file.clone(), Mutex::new(state));
        (Self { parts, container, config_file, started_ms: now_ms, state, jobs, stopped }, changes)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn load(&self) -> Result<(), String> {
        let files = fresh(&self.parts.kubernetes, &self.container).await?;
        let loaded = Loaded::read(&files, &self.config_file)?;
        loaded.put_in_force(&self.parts.database)?;
        let Loaded { text, config, .. } = loaded;
        let loaded_ms = self.parts.clock.now().as_millisecond();
        *self.state() = State { text, external_labels: config.external_labels, loaded_ms, well: true };
        self.jobs.send_replace(config.jobs);
        Ok(())
    }
}

impl Host for Running {
    fn now_ms(&self) -> i64 {
        self.parts.clock.now().as_millisecond()
    }

    fn started_ms(&self) -> i64 {
        self.started_ms
    }

    fn loaded(&self) -> (i64, bool) {
        let state = self.state();
        (state.loaded_ms, state.well)
    }

    fn hostname(&self) -> String {
        self.container.pod.clone()
    }

    fn config(&self) -> String {
        self.state().text.clone()
    }

    fn external_labels(&self) -> BTreeMap<String, String> {
        self.state().external_labels.clone()
    }

    fn reload(&self) -> BoxFuture<'_, Result<(), String>> {
        async move {
            let outcome = self.load().await;
            if outcome.is_err() {
                self.state().well = false;
            }
            outcome
        }
        .boxed()
    }

    fn quit(&self) {
        self.stopped.cancel();
    }
}

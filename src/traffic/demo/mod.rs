//! podinfo's stand-in (behaviour of 6.9.2, plus `/fault_injection` of 6.13.0), as a process.
//!
//! Held against the real binary by `tests/it/traffic`: answers, exit codes, metric names, labels and buckets.
//!
//! What is simulated:
//! - **Base latency.** Every answer but probes, `/metrics` and the fault switch takes a time drawn from a log-normal
//!   distribution: median 2.5 ms, sigma 0.5 (99th percentile 8 ms). It is really waited, on whichever clock there is.
//! - **Faults.** `POST /fault_injection/enable` with a [`crate::model::fault::FaultSpec`] as body is the lab's extension
//!   of podinfo's switch; without a body it is podinfo's own (500 for every request).
//! - **Headers** [`VERSION_HEADER`] and [`POD_HEADER`] on every answer say who answered; podinfo says it only in the body
//!   of `/`.
//!
//! What is not served: gRPC, TLS, WebSockets, `/debug/pprof`, `/swagger*`, calls to `--backend-url`, Redis behind
//! `--cache-server` (answers are those of a podinfo whose Redis is away), CPU and memory stress, `/chunked` streams (the
//! whole answer comes at the end).
//!
//! It logs as podinfo 6.9.2 does: its start and its end, `GET /panic`, and every request at level debug (without the client's
//! port, which nobody has here).
//!
//! Odd and kept: error answers of several handlers come with status 200; `/chunked` without seconds, `/status/0` and equal
//! bounds of the random delay break the connection; an answer later than `--http-server-timeout` is never written; the
//! metrics port's `/healthz` stays green whatever `--unhealthy` says; 404 and 405 are not counted.

mod answer;
mod app;
mod config;
mod digest;
mod endpoints;
mod faults;
mod flags;
mod metrics;
#[cfg(test)]
mod tests;
mod token;

pub use faults::{FaultError, MAX_DELAY};

pub(in crate::traffic) use app::EXPOSITION;
pub(in crate::traffic) use flags::parse_bool;

use super::process::{EXIT_KILLED, StartError};
use crate::sys::clock::Clock;
use crate::sys::http::{HttpError, Request, Response};
use crate::sys::output::Output;
use app::App;
use config::Config;
use futures_util::future::BoxFuture;
use rand::rngs::ChaCha8Rng;
use rand_distr::LogNormal;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// Response header with the version that answered: `6.9.2`.
pub const VERSION_HEADER: &str = "x-coalmine-version";
/// Response header with the pod that answered.
pub const POD_HEADER: &str = "x-coalmine-pod";

/// Median of the base latency, in milliseconds.
pub const BASE_LATENCY_MEDIAN_MS: f64 = 2.5;
/// Sigma of the base latency's log-normal distribution.
pub const BASE_LATENCY_SIGMA: f64 = 0.5;

static BASE_LATENCY: LazyLock<LogNormal<f64>> = LazyLock::new(|| {
    LogNormal::new(BASE_LATENCY_MEDIAN_MS.ln(), BASE_LATENCY_SIGMA).expect("a finite mean and a positive sigma")
});

/// Between SIGTERM and the closing of the listener, podinfo goes on answering so that routers can take note. Not with
/// `--level debug`.
const CLOSE_AFTER: Duration = Duration::from_secs(3);

/// Exit code after a second SIGTERM.
const EXIT_SECOND_SIGNAL: i32 = 1;

/// What a demo app is started with: what a container gets from its pod.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DemoSpec {
    /// The image's tag: `6.9.2`.
    pub version: String,
    /// Arguments after the program's name.
    pub args: Vec<String>,
    pub env: BTreeMap<String, String>,
    /// The pod's name, which is also the host name.
    pub pod: String,
    pub namespace: String,
    /// Mount path to file name to content.
    pub files: BTreeMap<String, BTreeMap<String, String>>,
    /// Where it logs.
    pub output: Output,
}

/// A running podinfo. Clones are handles on the same process.
#[derive(Debug, Clone)]
pub struct DemoApp(Arc<App>);

impl DemoApp {
    /// Starts the process, or fails as podinfo would: exit code 2 for flags and values that it cannot use, 1 when it
    /// cannot listen, 0 for `--version` and `--help`.
    pub fn start(spec: DemoSpec, clock: Clock, rng: ChaCha8Rng) -> Result<Self, StartError> {
        let config = Config::read(&spec)?;
        let app = App::new(spec, config, clock, rng);
        app.log_start();
        Ok(Self(Arc::new(app)))
    }

    /// Answers a request to `port`. A hang never ends; a broken connection is [`HttpError::Closed`]; a port where it
    /// does not listen is [`HttpError::Refused`].
    pub fn handle(&self, port: u16, request: Request) -> BoxFuture<'static, Result<Response, HttpError>> {
        let app = self.0.clone();
        Box::pin(async move { app.life.serve(app.answer(port, request)).await })
    }

    /// Ends with the exit code when the process has ended.
    pub fn exited(&self) -> BoxFuture<'static, i32> {
        let app = self.0.clone();
        Box::pin(async move { app.life.exited().await })
    }

    /// SIGTERM: probes fail at once, the listener closes 3 s later, and the process exits with 0 when it has answered
    /// everything, at most `--server-shutdown-timeout` after the signal. A second one exits at once with 1.
    ///
    /// Must be called on a tokio runtime; what it starts ends with the process.
    pub fn terminate(&self) {
        let app = self.0.clone();
        app.healthy.store(false, Ordering::Release);
        app.ready.store(false, Ordering::Release);
        if app.life.begin_termination() {
            let timeout = app.config.shutdown_timeout.as_secs();
            let message = "Shutting down HTTP/HTTPS server";
            app.spec.output.zap("info", "signals/shutdown.go:49", message, &[("timeout", json!(timeout))]);
            tokio::spawn(async move { app.shut_down().await });
        } else {
            app.life.exit(EXIT_SECOND_SIGNAL);
        }
    }

    /// SIGKILL: gone at once, with exit code 137.
    pub fn kill(&self) {
        self.0.life.exit(EXIT_KILLED);
    }

    /// What it was started with.
    pub fn spec(&self) -> &DemoSpec {
        &self.0.spec
    }
}

impl App {
    async fn shut_down(&self) {
        let signalled = tokio::time::Instant::now();
        let drain = async {
            if !self.config.debug {
                tokio::time::sleep(CLOSE_AFTER).await;
            }
            self.life.close();
            // The time limit runs from the signal; what is left of it is for requests under way.
            let _ = tokio::time::timeout_at(signalled + self.config.shutdown_timeout, self.life.drained()).await;
        };
        tokio::select! {
            biased;
            _ = self.life.exited() => {}
            () = drain => self.life.exit(0),
        }
    }
}

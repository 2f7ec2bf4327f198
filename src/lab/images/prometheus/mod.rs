//! Behind Prometheus' image: our metrics station. Takes the flags that Prometheus takes, finds and scrapes what the
//! mounted `prometheus.yml` says, and evaluates its rule files.
//!
//! `POST /-/reload` reads the configuration anew, as the ConfigMap has it by then. What cannot be obeyed ends the process
//! at its start, and is an error of a reload, after which the former configuration stays in force.

mod discover;
mod files;
mod flags;
mod host;
mod scrape;

use super::Parts;
use super::part::{Part, refused};
use crate::metrics::{Database, api};
use crate::sys::clock::Clock;
use crate::sys::http::{HttpError, Request, Response};
use crate::sys::output::Output;
use crate::workload::runtime::{ContainerSpec, Process, StartError};
use axum::body::{Body, to_bytes};
use files::Loaded;
use futures_util::future::{BoxFuture, FutureExt};
use host::Running;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

const PORT: u16 = 9090;
/// How often it is looked which groups are due.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Exit code for flags and configurations that cannot be obeyed.
const EXIT_BAD_CONFIG: i32 = 2;

pub(crate) fn start(parts: &Parts, container: &ContainerSpec) -> Result<Arc<dyn Process>, StartError> {
    let say = |message: &str| log(&container.output, "INFO", message);
    say("Starting Prometheus Server");
    let bad = |message: String| StartError { exit_code: EXIT_BAD_CONFIG, message };
    let flags = flags::read(&container.args).map_err(bad)?;
    let loaded = Loaded::read(&container.files, &flags.config_file).map_err(bad)?;
    loaded.put_in_force(&parts.database).map_err(bad)?;
    parts.database.set_retention(flags.retention_ms);
    let stopped = CancellationToken::new();
    let (running, jobs) = Running::new(parts.clone(), container.clone(), &flags, loaded, stopped.clone());
    let (ends, scraping) = (stopped.clone(), scrape::all(parts.clone(), container.namespace.clone(), jobs));
    tokio::spawn(async move { ends.run_until_cancelled(scraping).await });
    let (ends, evaluating) = (stopped.clone(), evaluate(parts.database.clone(), parts.clock));
    tokio::spawn(async move { ends.run_until_cancelled(evaluating).await });
    say("Server is ready to receive web requests.");
    let router = api::with_host(parts.database.clone(), Arc::new(running), flags.settings);
    Ok(Part::new(
        Arc::new(move |port, request| if port == PORT { answer(router.clone(), request) } else { refused(port) }),
        stopped,
    ))
}

/// A line as Prometheus writes it; `source` names this station.
fn log(output: &Output, level: &str, message: &str) {
    if let Some(now) = output.now() {
        let at = now.strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
        output.line(|| format!("time={at} level={level} source=coalmine/metrics msg={message:?}"));
    }
}

async fn evaluate(database: Database, clock: Clock) {
    let mut next = clock.elapsed();
    loop {
        next += LOOK_EVERY;
        clock.sleep_until(next).await;
        database.evaluate_rules(clock.now().as_millisecond());
    }
}

fn answer(router: axum::Router, request: Request) -> BoxFuture<'static, Result<Response, HttpError>> {
    async move {
        let answer = match router.oneshot(request.map(Body::from)).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        let (parts, body) = answer.into_parts();
        let body = to_bytes(body, usize::MAX).await.map_err(|it| HttpError::Other(it.to_string()))?;
        Ok(Response::from_parts(parts, body))
    }
    .boxed()
}

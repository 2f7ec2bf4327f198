//! Behind Prometheus' image: our metrics station. Scrapes pods by their annotations and evaluates the rule files that are
//! mounted into the container.

use super::Parts;
use super::part::{Part, refused};
use super::scrape;
use crate::metrics::rules::{Millis, RuleFile, RuleProblem};
use crate::metrics::{Database, api};
use crate::sys::clock::Clock;
use crate::sys::http::{HttpError, Request, Response};
use crate::sys::yaml::{self, Dialect};
use crate::workload::runtime::{ContainerSpec, Process, StartError};
use axum::body::{Body, to_bytes};
use futures_util::future::{BoxFuture, FutureExt};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

const PORT: u16 = 9090;
/// `evaluation_interval` of `manifests/prometheus/prometheus.yaml`, for groups that name none.
const EVALUATION_INTERVAL_MS: i64 = 5_000;
/// How often it is looked which groups are due.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How rule files are called in the container's configuration folder.
const RULE_FILES: &str = ".rules.yml";
/// Exit code for a configuration that cannot be loaded.
const EXIT_BAD_CONFIG: i32 = 2;

pub(crate) fn start(parts: &Parts, container: &ContainerSpec) -> Result<Arc<dyn Process>, StartError> {
    load_rules(&parts.database, container)?;
    let stopped = CancellationToken::new();
    let (ends, scraping) = (stopped.clone(), scrape::pods(parts.clone(), container.namespace.clone()));
    tokio::spawn(async move { ends.run_until_cancelled(scraping).await });
    let (ends, evaluating) = (stopped.clone(), evaluate(parts.database.clone(), parts.clock));
    tokio::spawn(async move { ends.run_until_cancelled(evaluating).await });
    let clock = parts.clock;
    let router = api::router(parts.database.clone(), move || clock.now().as_millisecond());
    Ok(Part::new(
        Arc::new(move |port, request| if port == PORT { answer(router.clone(), request) } else { refused(port) }),
        stopped,
    ))
}

fn load_rules(database: &Database, container: &ContainerSpec) -> Result<(), StartError> {
    let mounted = container.files.values().flatten().filter(|(name, _)| name.ends_with(RULE_FILES));
    let mut all = RuleFile::default();
    for (name, text) in mounted {
        let bad = |why: String| StartError { exit_code: EXIT_BAD_CONFIG, message: format!("loading {name}: {why}") };
        for document in yaml::documents(text, Dialect::Kubernetes).map_err(|it| bad(it.to_string()))? {
            let file: RuleFile = serde_json::from_value(document.to_json()).map_err(|it| bad(it.to_string()))?;
            all.groups.extend(file.groups);
        }
    }
    for group in &mut all.groups {
        group.interval.get_or_insert(Millis(EVALUATION_INTERVAL_MS));
    }
    database.load_rules(all).map_err(|problems| {
        let line = |it: &RuleProblem| format!("{}, rule {}: {}", it.group, it.rule, it.reason);
        let message = problems.iter().map(line).collect::<Vec<_>>().join("; ");
        StartError { exit_code: EXIT_BAD_CONFIG, message }
    })
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

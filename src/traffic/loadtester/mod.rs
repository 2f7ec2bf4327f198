//! Flagger's load tester (0.38) as a process: gates, the rollback switch, and webhooks that start traffic.
//!
//! Paths, answers and keys are those of the real one, held against its binary by `tests/it/traffic`. What differs: **no
//! shell is run.** A command of type `cmd` or `bash` may be `hey`, `wrk` or `curl`, the latter with `| grep PATTERN`; it is
//! understood ([`command::parse`]) and carried out in process. Everything else is refused: `bash` (and `helm`, `kubectl`)
//! with 500 and the reason, `cmd` only with a line in [`LoadTester::take_notes`], because the real one answers 202 before
//! it runs anything.
//!
//! Odd and kept: an unknown task type breaks the connection; `/gate/check` without a known gate is closed; one gate and one
//! rollback switch per Canary.

pub mod command;
mod curl;
mod gates;
mod hey;
mod options;
mod run;
mod tasks;
#[cfg(test)]
mod tests;
mod words;

use super::demo::EXPOSITION;
use super::process::{EXIT_KILLED, Lifecycle, StartError};
use crate::metrics::registry::Registry;
use crate::sys::clock::Clock;
use crate::sys::http::{HttpError, Request, Response, SharedHttp};
use crate::sys::output::Output;
use futures_util::future::BoxFuture;
use gates::Gates;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use options::Options;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tasks::Tasks;

/// The release that is followed.
const VERSION: &str = "0.38.0";
/// After SIGTERM, requests under way may take this long.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(60);
/// Lines kept for [`LoadTester::take_notes`]; the oldest go first.
const MAX_NOTES: usize = 100;

/// What a load tester is started with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoadTesterSpec {
    /// Arguments after the program's name: `-port=8080`, `-timeout=1h`, `-namespace-regexp=...`.
    pub args: Vec<String>,
    /// The pod's name.
    pub pod: String,
    /// Where it logs: its start, and what its commands say when they fail.
    pub output: Output,
}

/// A running load tester. Clones are handles on the same process.
#[derive(Clone)]
pub struct LoadTester(Arc<Inner>);

struct Inner {
    spec: LoadTesterSpec,
    options: Options,
    life: Lifecycle,
    http: SharedHttp,
    clock: Clock,
    gates: Mutex<Gates>,
    tasks: Mutex<Tasks>,
    notes: Mutex<Vec<String>>,
    metrics: Registry,
}

/// A webhook's body, as far as the load tester reads it.
#[derive(Debug, Clone, Default)]
struct Payload {
    name: String,
    namespace: String,
    metadata: BTreeMap<String, String>,
}

impl Payload {
    /// Reads a body as Go's `json.Unmarshal` does: an object or null, whose fields may be null, and nothing else.
    fn read(body: &[u8]) -> Option<Self> {
        let text = |value: Option<&Value>| match value {
            None | Some(Value::Null) => Some(String::new()),
            Some(value) => value.as_str().map(str::to_owned),
        };
        let object = match serde_json::from_slice(body).ok()? {
            Value::Null => return Some(Self::default()),
            Value::Object(object) => object,
            _ => return None,
        };
        let metadata = match object.get("metadata") {
            None | Some(Value::Null) => BTreeMap::new(),
            Some(value) => {
                let pairs = value.as_object()?.iter().map(|(name, value)| Some((name.clone(), text(Some(value))?)));
                pairs.collect::<Option<_>>()?
            }
        };
        Some(Self { name: text(object.get("name"))?, namespace: text(object.get("namespace"))?, metadata })
    }

    /// `podinfo.test`: the key of gates and tasks.
    fn canary(&self) -> String {
        format!("{}.{}", self.name, self.namespace)
    }
}

impl LoadTester {
    /// Starts the process, or fails as Go's flags do: exit code 2.
    pub fn start(spec: LoadTesterSpec, http: SharedHttp, clock: Clock) -> Result<Self, StartError> {
        let options = Options::read(&spec.args)?;
        let message = format!("Starting load tester v{VERSION} API on port {}", options.port);
        spec.output.zap("info", "coalmine/loadtester", &message, &[]);
        let metrics = Registry::new();
        metrics
            .gauge_vec("process_start_time_seconds", "Start time of the process since unix epoch in seconds.", &[])
            .with(&[])
            .set(clock.now().as_millisecond() as f64 / 1000.0);
        Ok(Self(Arc::new(Inner {
            spec,
            options,
            life: Lifecycle::default(),
            http,
            clock,
            gates: Mutex::default(),
            tasks: Mutex::new(Tasks::new(clock.elapsed())),
            notes: Mutex::default(),
            metrics,
        })))
    }

    /// Answers a request to `port`. Must be called on a tokio runtime: commands run as tasks, which end with the process.
    pub fn handle(&self, port: u16, request: Request) -> BoxFuture<'static, Result<Response, HttpError>> {
        let inner = self.0.clone();
        Box::pin(async move {
            if port != inner.options.port || inner.life.is_closed() {
                return Err(HttpError::Refused { address: format!("{}:{port}", inner.spec.pod) });
            }
            inner.life.serve(inner.answer(&request)).await
        })
    }

    /// Ends with the exit code when the process has ended.
    pub fn exited(&self) -> BoxFuture<'static, i32> {
        let inner = self.0.clone();
        Box::pin(async move { inner.life.exited().await })
    }

    /// SIGTERM: no new requests; exits with 0 when those under way are answered, at most a minute later. Commands of type
    /// `cmd` end with it.
    pub fn terminate(&self) {
        let inner = self.0.clone();
        if !inner.life.begin_termination() {
            inner.life.exit(1);
            return;
        }
        inner.life.close();
        tokio::spawn(async move {
            let drain = tokio::time::timeout(SHUTDOWN_TIMEOUT, inner.life.drained());
            tokio::select! {
                biased;
                _ = inner.life.exited() => {}
                _ = drain => inner.life.exit(0),
            }
        });
    }

    /// SIGKILL: gone at once, with exit code 137.
    pub fn kill(&self) {
        self.0.life.exit(EXIT_KILLED);
    }

    /// What the real one would only have logged: refused commands and failed ones. Each line is given once.
    pub fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Inner {
    async fn answer(self: &Arc<Self>, request: &Request) -> Result<Response, HttpError> {
        let path = request.uri().path();
        match path {
            "/healthz" | "/gate/approve" => return Ok(text(StatusCode::OK, "OK")),
            "/gate/halt" => return Ok(text(StatusCode::FORBIDDEN, "Forbidden")),
            "/metrics" => {
                let mut response = Response::new(self.metrics.encode().into());
                response.headers_mut().insert(CONTENT_TYPE, EXPOSITION);
                return Ok(response);
            }
            _ => {}
        }
        let Some(payload) = Payload::read(request.body()) else {
            return Ok(empty(StatusCode::BAD_REQUEST));
        };
        if !self.options.allows(&payload.namespace) {
            return Ok(text(StatusCode::FORBIDDEN, "Forbidden"));
        }
        let canary = payload.canary();
        let switch =
            |key: String, action: &str| self.gates.lock().unwrap_or_else(PoisonError::into_inner).answer(key, action);
        match path {
            "/gate/check" | "/gate/open" | "/gate/close" => Ok(switch(canary, &path["/gate/".len()..])),
            "/rollback/check" | "/rollback/open" | "/rollback/close" => {
                Ok(switch(format!("rollback.{canary}"), &path["/rollback/".len()..]))
            }
            // Go's mux sends every other path to the same handler.
            _ => self.start_task(payload).await,
        }
    }

    fn note(&self, line: String) {
        self.spec.output.zap("error", "coalmine/loadtester", &line, &[]);
        tracing::warn!(target: "coalmine::loadtester", "{line}");
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.len() >= MAX_NOTES {
            notes.remove(0);
        }
        notes.push(line);
    }
}

fn text(status: StatusCode, body: impl Into<bytes::Bytes>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(bytes::Bytes::new());
    *response.status_mut() = status;
    response
}

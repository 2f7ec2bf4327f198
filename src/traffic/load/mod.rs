//! The load generator: streams of requests whose arrivals do not wait for answers (open loop), so that a slow backend
//! shows as latency and not as less load.
//!
//! - Each stream has random numbers of its own, drawn from the seed and its name.
//! - Latency counts from the moment a request was *due*, so a late start counts too.
//! - At most [`MAX_IN_FLIGHT`] requests are under way; those that are due beyond it are not sent, and are reported as
//!   [`Slice::not_sent`].
//! - One task drives all streams; it ends when the generator is dropped.

mod arrivals;
#[cfg(test)]
mod tests;
mod told;

pub use told::{MAX_SLICES, Order, Report, Told};

use super::tally::{Recorder, Slice, answered_by, backend_of};
use crate::model::traffic::{Arrivals, Sample, Stream};
use crate::sys::clock::Clock;
use crate::sys::http::{HttpError, Request, Response, SharedHttp};
use crate::sys::rng::Seed;
use arrivals::Schedule;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use http::header::HOST;
use http::{HeaderName, HeaderValue, Method, Uri};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Requests of one generator that are under way at most: a hanging backend at 100 requests per second fills it in 40 s.
pub const MAX_IN_FLIGHT: usize = 4096;
/// Highest rate of one stream, in requests per second.
pub const MAX_PER_SECOND: f64 = 20_000.0;

/// Where requests go.
#[derive(Clone)]
pub struct LoadTarget {
    pub http: SharedHttp,
    /// What stands in front of a stream's path: `http://ingress-nginx-controller.ingress-nginx`.
    pub base: String,
    /// Host header for streams that name none; empty for the base's own.
    pub host: String,
    /// The Deployment that the Canary watches, to tell primary from canary by the pod's name; can be empty.
    pub target: String,
}

/// Why a stream cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stream `{stream}`: {why}")]
pub struct StreamError {
    pub stream: String,
    pub why: String,
}

/// A running generator. Dropping it ends all streams; requests under way are given up.
pub struct LoadGenerator {
    shared: Arc<Shared>,
    _stop: DropGuard,
}

struct Shared {
    clock: Clock,
    seed: Seed,
    target: LoadTarget,
    /// By stream: what it becomes, none to end it. Taken over by the driver at its next turn.
    changes: Mutex<BTreeMap<String, Option<Running>>>,
    changed: Notify,
    /// Names of the streams that run or are about to.
    names: Mutex<BTreeMap<String, Stream>>,
    recorder: Mutex<Recorder>,
    not_sent: AtomicU64,
    in_flight: AtomicUsize,
}

/// A stream with its next arrival.
struct Running {
    name: Arc<str>,
    template: Request,
    timeout: Duration,
    schedule: Schedule,
}

impl LoadGenerator {
    /// Starts without streams. Must be called on a tokio runtime.
    pub fn start(target: LoadTarget, clock: Clock, seed: Seed) -> Self {
        let shared = Arc::new(Shared {
            clock,
            seed,
            target,
            changes: Mutex::default(),
            changed: Notify::new(),
            names: Mutex::default(),
            recorder: Mutex::default(),
            not_sent: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
        });
        let stop = CancellationToken::new();
        let driver = Driver { shared: shared.clone(), streams: BTreeMap::new(), in_flight: FuturesUnordered::new() };
        let stopped = stop.clone();
        tokio::spawn(async move { stopped.run_until_cancelled_owned(driver.run()).await });
        Self { shared, _stop: stop.drop_guard() }
    }

    /// Starts a stream now, in place of the one with its name. Its arrivals begin with the next turn of the runtime.
    pub fn put(&self, stream: &Stream) -> Result<(), StreamError> {
        let running = self.shared.running(stream)?;
        self.shared.names.lock().unwrap_or_else(PoisonError::into_inner).insert(stream.name.clone(), stream.clone());
        self.change(&stream.name, Some(running));
        Ok(())
    }

    /// Ends a stream; its requests under way are still counted. Says whether there was one.
    pub fn stop(&self, name: &str) -> bool {
        let was_there = self.shared.names.lock().unwrap_or_else(PoisonError::into_inner).remove(name).is_some();
        if was_there {
            self.change(name, None);
        }
        was_there
    }

    fn change(&self, name: &str, to: Option<Running>) {
        self.shared.changes.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), to);
        self.shared.changed.notify_one();
    }

    /// The streams that run, by name.
    pub fn streams(&self) -> Vec<Stream> {
        self.shared.names.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// What ended since the last call.
    pub fn take_slice(&self) -> Slice {
        let now = self.shared.clock.elapsed();
        let mut slice = self.shared.recorder.lock().unwrap_or_else(PoisonError::into_inner).take(now);
        slice.not_sent = self.shared.not_sent.swap(0, Ordering::AcqRel);
        slice.in_flight = self.shared.in_flight.load(Ordering::Acquire);
        slice
    }
}

impl Shared {
    fn running(&self, stream: &Stream) -> Result<Running, StreamError> {
        let wrong = |why: String| StreamError { stream: stream.name.clone(), why };
        check_rates(&stream.arrivals).map_err(wrong)?;
        let schedule = Schedule::new(
            stream.arrivals.clone(),
            self.clock.elapsed(),
            self.seed.stream(&format!("traffic/load/{}", stream.name)),
        );
        Ok(Running {
            name: stream.name.as_str().into(),
            template: request(stream, &self.target).map_err(wrong)?,
            timeout: stream.timeout,
            schedule,
        })
    }
}

fn check_rates(arrivals: &Arrivals) -> Result<(), String> {
    let rates = match arrivals {
        Arrivals::Constant { per_second } | Arrivals::Poisson { per_second } => [*per_second, *per_second],
        Arrivals::Ramp { from, to, .. } => [*from, *to],
    };
    match rates.iter().find(|rate| !(0.0..=MAX_PER_SECOND).contains(*rate)) {
        Some(rate) => Err(format!("{rate} requests per second; the rate must be from 0 to {MAX_PER_SECOND}")),
        None => Ok(()),
    }
}

/// The request that a stream repeats.
fn request(stream: &Stream, target: &LoadTarget) -> Result<Request, String> {
    let mut request = Request::new(Bytes::from(stream.body.clone()));
    let slash = if stream.path.starts_with('/') { "" } else { "/" };
    let uri = format!("{}{slash}{}", target.base.trim_end_matches('/'), stream.path);
    *request.uri_mut() = uri.parse::<Uri>().map_err(|error| format!("`{uri}` is not a URI: {error}"))?;
    let method = if stream.method.is_empty() { "GET" } else { &stream.method };
    *request.method_mut() =
        Method::from_bytes(method.as_bytes()).map_err(|_| format!("`{method}` is not an HTTP method"))?;
    for (name, text) in &stream.headers {
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is not a header name"))?;
        let value = HeaderValue::from_str(text).map_err(|_| format!("header {name} cannot be `{text}`"))?;
        request.headers_mut().insert(header, value);
    }
    let host = if stream.host.is_empty() { &target.host } else { &stream.host };
    if !host.is_empty() {
        let value = HeaderValue::from_str(host).map_err(|_| format!("`{host}` is not a host name"))?;
        request.headers_mut().insert(HOST, value);
    }
    Ok(request)
}

/// The one task: sends what is due, and counts what has ended.
struct Driver {
    shared: Arc<Shared>,
    streams: BTreeMap<String, Running>,
    in_flight: FuturesUnordered<BoxFuture<'static, Sample>>,
}

impl Driver {
    async fn run(mut self) {
        let shared = self.shared.clone();
        // One timer and one waiter for all turns: making them anew for every request would cost more than sending it.
        let mut timer = std::pin::pin!(shared.clock.sleep_until(Duration::ZERO));
        let mut changed = std::pin::pin!(shared.changed.notified());
        let mut set_for = None;
        loop {
            let due = self.streams.values().filter_map(|running| running.schedule.next()).min();
            if set_for != due {
                timer.set(shared.clock.sleep_until(due.unwrap_or_default()));
                set_for = due;
            }
            tokio::select! {
                biased;
                () = &mut changed => {
                    changed.set(shared.changed.notified());
                    self.take_changes();
                }
                () = &mut timer, if due.is_some() => {
                    self.send_due();
                    set_for = None;
                }
                Some(sample) = self.in_flight.next(), if !self.in_flight.is_empty() => self.count(&sample),
            }
        }
    }

    fn take_changes(&mut self) {
        let changes = std::mem::take(&mut *self.shared.changes.lock().unwrap_or_else(PoisonError::into_inner));
        for (name, change) in changes {
            match change {
                Some(running) => drop(self.streams.insert(name, running)),
                None => drop(self.streams.remove(&name)),
            }
        }
    }

    fn send_due(&mut self) {
        let now = self.shared.clock.elapsed();
        for running in self.streams.values_mut() {
            while let Some(at) = running.schedule.next().filter(|at| *at <= now) {
                running.schedule.advance();
                if self.in_flight.len() >= MAX_IN_FLIGHT {
                    self.shared.not_sent.fetch_add(1, Ordering::AcqRel);
                    continue;
                }
                let target = &self.shared.target;
                let answer = target.http.send(running.template.clone(), running.timeout);
                let (shared, name) = (self.shared.clone(), running.name.clone());
                self.in_flight.push(Box::pin(async move {
                    let answer = answer.await;
                    shared.sample(&name, at, &answer)
                }));
            }
        }
        self.shared.in_flight.store(self.in_flight.len(), Ordering::Release);
    }

    fn count(&self, sample: &Sample) {
        self.shared.in_flight.store(self.in_flight.len(), Ordering::Release);
        self.shared.recorder.lock().unwrap_or_else(PoisonError::into_inner).add(sample);
    }
}

impl Shared {
    fn sample(&self, stream: &str, at: Duration, answer: &Result<Response, HttpError>) -> Sample {
        let latency = self.clock.elapsed().saturating_sub(at);
        let (status, (version, pod)) = match answer {
            Ok(response) => (response.status().as_u16(), answered_by(response)),
            Err(_) => (0, Default::default()),
        };
        let backend = backend_of(&pod, &self.target.target).to_owned();
        Sample { stream: stream.to_owned(), version, backend, status, latency, at }
    }
}

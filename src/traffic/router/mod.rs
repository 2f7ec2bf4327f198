//! The router: carries requests to the backends that the routes choose, as ingress-nginx 1.15 does, and counts them.
//!
//! - No endpoint: 503. Refused or broken connection: 502. No answer within `proxy-read-timeout` (60 s): 504. No rule: 404.
//! - Another endpoint (round robin; the same one when there is only one) is tried after an error or a timeout, up to
//!   `proxy-next-upstream-tries` (3) attempts in all; POST, LOCK and PATCH only where nothing was sent.
//! - The client gives up first (its future is dropped): nothing is answered, and status 499 is counted.
//! - `X-Forwarded-*`, `X-Real-IP`, `X-Request-ID` and `X-Scheme` are set; hop-by-hop headers stay on their hop.
//! - [`Router::set_table`] takes effect for the next request; those under way keep the table they began with.
//! - HTTPRoutes: filters, weights and time limits; one attempt. A Gateway has no metrics per backend, so requests to
//!   HTTPRoutes are not in the exposition. They are in [`Router::take_slice`], which counts everything.
//!
//! Metrics have ingress-nginx' names, labels and buckets, and its habits: times in whole milliseconds, `canary` empty
//! unless the alternative answered, `service` always the main one, no `response_duration` for requests that took several
//! attempts, nothing for hosts that only a wildcard covers. Left out: the deprecated latency summary, and what describes
//! the nginx process.

mod access;
mod backends;
mod forward;
mod headers;
mod metrics;
#[cfg(test)]
mod tests;

pub use backends::{Backends, Endpoint, ServicePort};
pub use headers::ClientAddress;
pub use metrics::ControllerIdentity;

use super::route::{Backend, RouteTable, World};
use super::tally::{Recorder, Slice};
use crate::sys::clock::Clock;
use crate::sys::http::{HttpError, Request, Response};
use crate::sys::output::Output;
use futures_util::future::BoxFuture;
use metrics::NginxMetrics;
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Where requests enter.
pub const HTTP_PORT: u16 = 80;
/// Where ingress-nginx serves `/metrics` and `/healthz`.
pub const METRICS_PORT: u16 = 10254;

/// A running router. Clones are handles on the same one.
#[derive(Clone)]
pub struct Router(Arc<Inner>);

struct Inner {
    table: RwLock<Arc<RouteTable>>,
    backends: Arc<dyn Backends>,
    clock: Clock,
    rng: Mutex<ChaCha8Rng>,
    /// Next endpoint by upstream.
    turns: Mutex<BTreeMap<Backend, usize>>,
    metrics: NginxMetrics,
    /// The Deployment that the Canary watches, to tell primary from canary.
    target: String,
    recorder: Mutex<Recorder>,
    mirrors: Arc<AtomicUsize>,
    /// Where the access log goes; nowhere unless it is set.
    output: OnceLock<Output>,
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
}

impl Router {
    /// A router without routes. `identity` stands in its metrics; `target` is the name of the Deployment that the Canary
    /// watches, and may be empty.
    pub fn new(
        identity: &ControllerIdentity,
        target: &str,
        backends: Arc<dyn Backends>,
        clock: Clock,
        rng: ChaCha8Rng,
    ) -> Self {
        let stop = CancellationToken::new();
        Self(Arc::new(Inner {
            table: RwLock::default(),
            backends,
            clock,
            rng: Mutex::new(rng),
            turns: Mutex::default(),
            metrics: NginxMetrics::new(identity),
            target: target.to_owned(),
            recorder: Mutex::default(),
            mirrors: Arc::default(),
            output: OnceLock::new(),
            stop: stop.clone(),
            _stop_on_drop: stop.drop_guard(),
        }))
    }

    /// Writes an access log from now on. Only the first call counts.
    pub fn log_to(&self, output: Output) {
        let _ = self.0.output.set(output);
    }

    /// Puts new routes in place.
    pub fn set_table(&self, table: RouteTable) {
        self.0.metrics.keep_only(&table);
        *self.0.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
    }

    /// The routes in force.
    pub fn table(&self) -> Arc<RouteTable> {
        self.0.table.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers a request to one of the router's ports.
    pub fn handle(&self, port: u16, request: Request) -> BoxFuture<'static, Result<Response, HttpError>> {
        match port {
            HTTP_PORT => self.route(request),
            METRICS_PORT => Box::pin(std::future::ready(Ok(self.0.metrics.answer(request.uri().path())))),
            _ => {
                let address = format!("{}:{port}", self.0.metrics.pod());
                Box::pin(std::future::ready(Err(HttpError::Refused { address })))
            }
        }
    }

    /// Carries a request to its backend. Every outcome is an answer; dropping the future is a client that gives up.
    pub fn route(&self, request: Request) -> BoxFuture<'static, Result<Response, HttpError>> {
        let inner = self.0.clone();
        Box::pin(async move { Ok(inner.answer(request).await) })
    }

    /// What was done since the last call, by version of the answering app. A request that its client gave up counts with
    /// status 499.
    pub fn take_slice(&self) -> Slice {
        self.0.recorder.lock().unwrap_or_else(PoisonError::into_inner).take(self.0.clock.elapsed())
    }

    /// `/metrics` as text.
    pub fn metrics_text(&self) -> String {
        self.0.metrics.text()
    }
}

/// What the routes ask of the router while they decide.
struct Dice<'a>(&'a Inner);

impl World for Dice<'_> {
    fn draw(&mut self, total: u32) -> u32 {
        self.0.rng.lock().unwrap_or_else(PoisonError::into_inner).random_range(1..=total.max(1))
    }

    fn has_endpoints(&mut self, backend: &Backend) -> bool {
        !self.0.endpoints(backend).is_empty()
    }
}

impl Inner {
    fn endpoints(&self, backend: &Backend) -> Arc<[Endpoint]> {
        self.backends.endpoints(&backend.namespace, &backend.service, &backend.port)
    }

    /// The next endpoint of a backend, in turn.
    fn next_endpoint(&self, backend: &Backend) -> Option<Endpoint> {
        let endpoints = self.endpoints(backend);
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if !turns.contains_key(backend) {
            turns.insert(backend.clone(), 0);
        }
        let turn = turns.get_mut(backend)?;
        let endpoint = endpoints.get(turn.checked_rem(endpoints.len())?)?;
        *turn = turn.wrapping_add(1);
        Some(endpoint.clone())
    }

    /// Counts a copy in, unless too many are under way.
    fn begin_mirror(&self) -> Option<MirrorSlot> {
        if self.mirrors.load(Ordering::Acquire) >= MAX_MIRRORS {
            return None;
        }
        self.mirrors.fetch_add(1, Ordering::AcqRel);
        Some(MirrorSlot(self.mirrors.clone()))
    }
}

/// Mirrored requests under way; further copies are left out.
const MAX_MIRRORS: usize = 256;

struct MirrorSlot(Arc<AtomicUsize>);

impl Drop for MirrorSlot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

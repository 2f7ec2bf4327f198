//! Visitors from inside a cluster: the load generator as the one program of a pod, told by a run over HTTP (through the
//! Kubernetes API's proxy) what to send.
//!
//! A run that was killed tells nothing more: whoever has not been asked for [`ALONE`] ends by itself.

use super::serve::EdgeError;
use crate::sys::clock::Clock;
use crate::sys::direct::Direct;
use crate::sys::rng::Seed;
use crate::traffic::load::{LoadGenerator, LoadTarget, Order, Report, Told};
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long it goes on without being asked: longer than a run waits for a Kubernetes API that is gone.
pub const ALONE: Duration = Duration::from_mins(3);
/// Length of a slice.
const SLICE: Duration = Duration::from_secs(1);

/// Who visits whom.
#[derive(Debug, Clone)]
pub struct Visitors {
    /// Where orders are taken: `POST /order`; and `/healthz`.
    pub listen: SocketAddr,
    /// What stands in front of a stream's path: `http://ingress-nginx-controller.ingress-nginx.svc:80`.
    pub base: String,
    /// Host header for streams that name none.
    pub host: String,
    /// The Deployment that the Canary watches.
    pub target: String,
    pub seed: u64,
}

struct Shared {
    told: Mutex<Told>,
    asked: Mutex<Instant>,
}

/// Sends as it is told, until it is told to end, is left alone, or `stop` comes.
pub async fn visit(visitors: Visitors, stop: CancellationToken) -> Result<(), EdgeError> {
    let address = visitors.listen;
    let listener = TcpListener::bind(address).await.map_err(|source| EdgeError::Listen { address, source })?;
    let clock = Clock::wall();
    let (base, host, target) = (visitors.base, visitors.host, visitors.target);
    // Not `sys::outside`: the program's image has no certificates, and needs none inside a cluster.
    let target = LoadTarget { http: Arc::new(Direct::new()), base, host, target };
    let told = Told::new(LoadGenerator::start(target, clock, Seed(visitors.seed)), clock);
    let shared = Arc::new(Shared { told: Mutex::new(told), asked: Mutex::new(Instant::now()) });
    let router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/order", post(order))
        .with_state(Arc::clone(&shared));
    let over = async move {
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = slices(&shared) => {}
        }
    };
    Ok(axum::serve(listener, router).with_graceful_shutdown(over).await?)
}

/// Cuts slices until all is over or nobody asks any more.
async fn slices(shared: &Shared) {
    let mut next = Instant::now() + SLICE;
    loop {
        tokio::time::sleep_until(next).await;
        next += SLICE;
        let mut told = lock(&shared.told);
        told.cut();
        if told.is_over() || lock(&shared.asked).elapsed() > ALONE {
            return;
        }
    }
}

async fn order(State(shared): State<Arc<Shared>>, Json(order): Json<Order>) -> Json<Report> {
    *lock(&shared.asked) = Instant::now();
    Json(lock(&shared.told).obey(&order))
}

fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

//! HTTP/1.1 over connections that are slow to make: through a port-forward, say, where each costs several handshakes in
//! several processes.
//!
//! A request takes the first connection that is free, whether it was there before or was made meanwhile. It is never tied to
//! a connection that is still being made: a machine that stalls for a moment makes everybody wait, and whoever has waited is
//! served by the connections that are there, instead of all of them asking for new ones, which would keep it stalled.
//!
//! - At most [`MAX_CONNECTIONS`] are open, and at most [`MAX_DIALS`] are being made.
//! - A connection that broke while it was idle is replaced; a request that was not sent for that reason is sent on another.
//! - Where no connection is open and none can be made, a request is refused.

use super::http::{Http, HttpError, Request, Response};
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use http::header::HOST;
use http::{HeaderValue, Uri, Version};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::AbortOnDropHandle;

/// Connections of one pool that are open at the same time.
pub const MAX_CONNECTIONS: usize = 256;
/// Connections that are being made at the same time.
pub const MAX_DIALS: usize = 4;
/// Requests that wait for a connection; further ones are refused.
const MAX_WAITING: usize = 8192;
/// Connections that are tried for a request that could not be sent on the ones before.
const TRIES: u32 = 3;
/// Largest answer that is read.
const MAX_BODY_BYTES: usize = 1 << 20;

/// A connection, as bytes.
pub trait Connected: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connected for T {}

/// Makes connections, all to the same place.
pub trait Dial: Send + Sync {
    fn dial(&self) -> BoxFuture<'static, io::Result<Box<dyn Connected>>>;
}

/// Sends over its own connections, wherever a request's URI points. Dropping it closes them.
pub struct Pool {
    shared: Arc<Shared>,
    _stop: DropGuard,
}

struct Shared {
    dial: Box<dyn Dial>,
    state: Mutex<State>,
    open: Arc<Semaphore>,
    dials: Arc<Semaphore>,
    stop: CancellationToken,
}

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    /// Who waits for a connection, the first first. Some have given up.
    waiting: VecDeque<oneshot::Sender<Result<Connection, HttpError>>>,
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    _driver: AbortOnDropHandle<()>,
    _open: OwnedSemaphorePermit,
}

impl Pool {
    /// A pool without connections: they are made when they are wanted.
    pub fn new(dial: impl Dial + 'static) -> Self {
        let stop = CancellationToken::new();
        let shared = Shared {
            dial: Box::new(dial),
            state: Mutex::default(),
            open: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            dials: Arc::new(Semaphore::new(MAX_DIALS)),
            stop: stop.clone(),
        };
        Self { shared: Arc::new(shared), _stop: stop.drop_guard() }
    }
}

impl Http for Pool {
    fn send(&self, request: Request, timeout: Duration) -> BoxFuture<'static, Result<Response, HttpError>> {
        let shared = Arc::clone(&self.shared);
        async move { tokio::time::timeout(timeout, shared.carry(request)).await.unwrap_or(Err(HttpError::Timeout)) }
            .boxed()
    }
}

impl Shared {
    async fn carry(self: &Arc<Self>, request: Request) -> Result<Response, HttpError> {
        let mut unsent = in_origin_form(request)?;
        for _ in 0..TRIES {
            let mut connection = self.connection().await?;
            match connection.sender.try_send_request(unsent).await {
                Ok(answer) => {
                    let answer = whole(answer, MAX_BODY_BYTES).await?;
                    // One that is not free again was closed by the other side.
                    if connection.sender.ready().await.is_ok() {
                        self.put(connection);
                    }
                    return Ok(answer);
                }
                Err(mut failed) => unsent = failed.take_message().ok_or(HttpError::Closed)?,
            }
        }
        Err(HttpError::Closed)
    }

    /// The first connection that is free.
    async fn connection(self: &Arc<Self>) -> Result<Connection, HttpError> {
        let place = {
            let mut state = self.lock();
            while let Some(connection) = state.idle.pop() {
                if !connection.sender.is_closed() {
                    return Ok(connection);
                }
            }
            state.wait()?
        };
        self.grow();
        // Nobody drops a place but the pool that ends.
        place.await.unwrap_or(Err(HttpError::Closed))
    }

    /// Makes connections while somebody waits for one.
    fn grow(self: &Arc<Self>) {
        let waiting = self.lock().waiting.iter().filter(|it| !it.is_closed()).count();
        while MAX_DIALS - self.dials.available_permits() < waiting {
            let Ok(dialling) = Arc::clone(&self.dials).try_acquire_owned() else { return };
            let Ok(open) = Arc::clone(&self.open).try_acquire_owned() else { return };
            let (shared, stop) = (Arc::clone(self), self.stop.clone());
            tokio::spawn(async move { stop.run_until_cancelled(shared.make(open, dialling)).await });
        }
    }

    async fn make(self: Arc<Self>, open: OwnedSemaphorePermit, dialling: OwnedSemaphorePermit) {
        let made = Connection::make(self.dial.dial(), open).await;
        drop(dialling);
        match made {
            Ok(connection) => self.put(connection),
            Err(why) => self.refuse(&why),
        }
        self.grow();
    }

    /// Gives a free connection to who waits longest, if anybody does.
    fn put(&self, connection: Connection) {
        let mut state = self.lock();
        let mut free = Ok(connection);
        while let Some(place) = state.waiting.pop_front() {
            match place.send(free) {
                Ok(()) => return,
                Err(back) => free = back,
            }
        }
        state.idle.extend(free);
    }

    /// One who waits learns that no connection can be made, unless there are others to wait for.
    fn refuse(&self, why: &io::Error) {
        if self.open.available_permits() < MAX_CONNECTIONS {
            return;
        }
        let mut state = self.lock();
        while let Some(place) = state.waiting.pop_front() {
            if place.send(Err(HttpError::Refused { address: why.to_string() })).is_ok() {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wait(&mut self) -> Result<oneshot::Receiver<Result<Connection, HttpError>>, HttpError> {
        if self.waiting.len() >= MAX_WAITING {
            self.waiting.retain(|it| !it.is_closed());
        }
        if self.waiting.len() >= MAX_WAITING {
            return Err(HttpError::Other(format!("{MAX_WAITING} requests wait for a connection")));
        }
        let (place, receiver) = oneshot::channel();
        self.waiting.push_back(place);
        Ok(receiver)
    }
}

impl Connection {
    async fn make(
        dial: impl Future<Output = io::Result<Box<dyn Connected>>>,
        open: OwnedSemaphorePermit,
    ) -> io::Result<Self> {
        let (sender, driver) = handshake(TokioIo::new(dial.await?)).await.map_err(io::Error::other)?;
        // How it ended is learned from the requests on it.
        let driver = tokio::spawn(driver.map(drop));
        Ok(Self { sender, _driver: AbortOnDropHandle::new(driver), _open: open })
    }
}

/// With the path alone, as servers want it; who was meant is in the Host header.
pub(super) fn in_origin_form(request: Request) -> Result<http::Request<Full<Bytes>>, HttpError> {
    let (mut parts, body) = request.into_parts();
    if let (false, Some(authority)) = (parts.headers.contains_key(HOST), parts.uri.authority()) {
        let host = HeaderValue::from_str(authority.as_str()).map_err(|it| HttpError::Other(it.to_string()))?;
        parts.headers.insert(HOST, host);
    }
    parts.version = Version::HTTP_11;
    parts.uri = parts.uri.path_and_query().cloned().map_or_else(|| Uri::from_static("/"), Uri::from);
    Ok(http::Request::from_parts(parts, Full::new(body)))
}

/// The answer with all of its body, which may be so long.
pub(super) async fn whole(answer: http::Response<Incoming>, limit: usize) -> Result<Response, HttpError> {
    let (parts, body) = answer.into_parts();
    let body = Limited::new(body, limit).collect().await;
    Ok(Response::from_parts(parts, body.map_err(|it| HttpError::Other(it.to_string()))?.to_bytes()))
}

#[cfg(test)]
mod tests;

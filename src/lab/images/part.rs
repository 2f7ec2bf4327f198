//! A part of the lab as a process: answers requests, ends when it is told to.

use crate::sys::http::{HttpError, Request, Response};
use crate::workload::runtime::{EXIT_KILLED, Process};
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use http::StatusCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use tokio_util::sync::CancellationToken;

/// How a part answers one request on one port.
pub(crate) type Answer = Arc<dyn Fn(u16, Request) -> BoxFuture<'static, Result<Response, HttpError>> + Send + Sync>;

/// A process that is one of coalmine's own stations.
pub(crate) struct Part {
    answer: Answer,
    stopped: CancellationToken,
    exit_code: AtomicI32,
}

impl Part {
    /// `stopped` ends whatever the part runs besides answering; it is cancelled when the process ends.
    pub(crate) fn new(answer: Answer, stopped: CancellationToken) -> Arc<Self> {
        Arc::new(Self { answer, stopped, exit_code: AtomicI32::new(0) })
    }
}

impl Process for Part {
    fn request(&self, port: u16, request: Request) -> BoxFuture<'static, Result<Response, HttpError>> {
        let answer = (self.answer)(port, request);
        let stopped = self.stopped.clone();
        async move {
            tokio::select! {
                biased;
                () = stopped.cancelled() => Err(HttpError::Closed),
                answered = answer => answered,
            }
        }
        .boxed()
    }

    fn exited(&self) -> BoxFuture<'static, i32> {
        let (stopped, code) = (self.stopped.clone(), self.exit_code.load(Ordering::Acquire));
        async move {
            stopped.cancelled().await;
            code
        }
        .boxed()
    }

    fn terminate(&self) {
        self.stopped.cancel();
    }

    fn kill(&self) {
        self.exit_code.store(EXIT_KILLED, Ordering::Release);
        self.stopped.cancel();
    }
}

/// Plain text with a status.
pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let plain = http::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, plain);
    response
}

/// Nobody listens on that port.
pub(crate) fn refused(port: u16) -> BoxFuture<'static, Result<Response, HttpError>> {
    async move { Err(HttpError::Refused { address: format!(":{port}") }) }.boxed()
}

/// An answer that is there already.
pub(crate) fn ready(response: Response) -> BoxFuture<'static, Result<Response, HttpError>> {
    async move { Ok(response) }.boxed()
}

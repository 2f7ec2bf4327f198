//! What demo app and load tester are as processes: they start or fail with an exit code, serve until they are told to
//! stop, and exit once.

use crate::sys::http::{HttpError, Response};
use std::future::Future;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Exit code of a process that was ended by SIGKILL.
pub const EXIT_KILLED: i32 = 137;

/// The program wrote `message` and exited at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("exit code {exit_code}: {message}")]
pub struct StartError {
    pub exit_code: i32,
    /// What the program wrote to stderr, first line.
    pub message: String,
}

/// Whether a process still listens, what it is answering, and how it ended.
#[derive(Debug, Default)]
pub(super) struct Lifecycle {
    exited: CancellationToken,
    code: OnceLock<i32>,
    /// Cancelled when the listeners are closed.
    closed: CancellationToken,
    in_flight: AtomicUsize,
    idle: Notify,
    terminating: AtomicBool,
}

impl Lifecycle {
    /// Ends the process. Only the first call counts; requests under way are dropped.
    pub(super) fn exit(&self, code: i32) {
        if self.code.set(code).is_ok() {
            self.closed.cancel();
            self.exited.cancel();
        }
    }

    /// The exit code, as soon as there is one.
    pub(super) async fn exited(&self) -> i32 {
        self.exited.cancelled().await;
        self.code.get().copied().unwrap_or(EXIT_KILLED)
    }

    pub(super) fn has_exited(&self) -> bool {
        self.exited.is_cancelled()
    }

    /// Whether this is the first request to stop.
    pub(super) fn begin_termination(&self) -> bool {
        !self.terminating.swap(true, Ordering::AcqRel)
    }

    /// Stops listening; requests under way go on.
    pub(super) fn close(&self) {
        self.closed.cancel();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    /// Waits until nothing is being answered.
    pub(super) async fn drained(&self) {
        loop {
            let idle = self.idle.notified();
            if self.in_flight.load(Ordering::Acquire) == 0 {
                return;
            }
            idle.await;
        }
    }

    /// Runs `answer` while the process lives; the connection breaks when it ends first.
    pub(super) async fn serve(
        &self,
        answer: impl Future<Output = Result<Response, HttpError>>,
    ) -> Result<Response, HttpError> {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        let _leave = Leave(self);
        tokio::select! {
            biased;
            () = self.exited.cancelled() => Err(HttpError::Closed),
            answered = answer => answered,
        }
    }
}

/// Counts a request out when it is done or dropped.
struct Leave<'a>(&'a Lifecycle);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

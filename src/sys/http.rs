//! HTTP to names, whole bodies. A lab's addresses are reached through this one trait: in process on the embedded lab,
//! over sockets elsewhere.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;

pub type Request = http::Request<Bytes>;
pub type Response = http::Response<Bytes>;

/// Sends requests. The URI is absolute (`http://podinfo-canary.test:9898/healthz`).
pub trait Http: Send + Sync {
    /// Waits for the whole answer, at most `timeout`. Any status is an answer.
    fn send(&self, request: Request, timeout: Duration) -> BoxFuture<'static, Result<Response, HttpError>>;
}

/// A shared sender.
pub type SharedHttp = Arc<dyn Http>;

/// Why there is no answer. The texts are those of Go's HTTP client, because Flagger's events carry them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    #[error("context deadline exceeded")]
    Timeout,
    /// Nobody has that name.
    #[error("dial tcp: lookup {host}: no such host")]
    NoSuchHost { host: String },
    /// The name is there and nobody listens (a Service without ready endpoints).
    #[error("dial tcp {address}: connect: connection refused")]
    Refused { address: String },
    /// The other side closed without an answer.
    #[error("EOF")]
    Closed,
    /// Anything else, in the sender's words.
    #[error("{0}")]
    Other(String),
}

//! Talking to any Kubernetes API; the only station that names the kube crate.
//!
//! In: requests in plain JSON; an axum router (in process), an address on loopback, or a kubeconfig context.
//! Out: objects, watches, answers through the API's proxies, ports forwarded to pods, and errors with the server's own
//! words.
//! Never: which lab it talks to, or what an object means.
//!
//! Decisions
//! - Objects are [`serde_json::Value`]: a field that this binary has never heard of survives a read and a write.
//! - Requests are built here and only carried by [`kube::Client`], which owns TLS, credentials and connections. Its own
//!   retries are off, so that a fault in the API server is seen by whoever asked, as with client-go.
//! - A watch lists, watches, resumes where it was, and lists again when the server has forgotten that place (410), with
//!   client-go's bounded back-off between attempts and without its jitter: one seed gives one record.

mod client;
mod connect;
mod error;
mod forward;
mod proxy;
mod resource;
mod review;
mod watch;

pub use client::Client;
pub use connect::{ConnectError, Extract, is_loopback};
pub use error::ClusterError;
pub use forward::{Forward, ForwardError, MAX_CONNECTIONS, Tunnels};
pub use review::Access;
pub use watch::Watched;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

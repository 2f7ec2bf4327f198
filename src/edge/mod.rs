//! The router at the edge of a real cluster: coalmine's own, as the one program of a pod, for places where no NGINX image
//! can be had.
//!
//! In: a cluster whose Ingresses, HTTPRoutes, Services and EndpointSlices it may read; two addresses to listen on.
//! Out: requests carried to pods; ingress-nginx' metrics and `/healthz`; the status that a Gateway controller writes.
//! Never: canaries, scenarios, how the pod came to be.
//!
//! The embedded lab follows routes and answers Gateways with the same code; only its pods are elsewhere.

mod backends;
mod carry;
mod gateway;
mod routes;
mod serve;

pub(crate) use gateway::answer as answer_gateways;
pub(crate) use routes::follow_routes;
pub use serve::{Edge, EdgeError, serve};

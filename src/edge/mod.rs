//! What stands at the edge of a real cluster, each as the one program of a pod: coalmine's own router, for places where no
//! NGINX image can be had, and visitors that come from inside.
//!
//! In: a cluster whose Ingresses, HTTPRoutes, Services and EndpointSlices the router may read; addresses to listen on;
//! orders of a run.
//! Out: requests carried to pods; ingress-nginx' metrics and `/healthz`; the status that a Gateway controller writes;
//! visitors' requests and what came of them.
//! Never: canaries, scenarios, how the pod came to be.
//!
//! The embedded lab follows routes and answers Gateways with the same code; only its pods are elsewhere.

mod backends;
mod carry;
mod gateway;
mod routes;
mod serve;
mod visitors;

pub(crate) use gateway::answer as answer_gateways;
pub(crate) use routes::follow_routes;
pub use serve::{Edge, EdgeError, serve};
pub use visitors::{ALONE, Visitors, visit};

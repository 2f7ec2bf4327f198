//! The judge: one tick of Flagger 1.44's canary controller as a pure function.
//!
//! A tick reads the world in its middle, so [`tick()`] is called again and again with the answers it has so far, and each
//! time says what it wants next ([`Turn`]). It is written as straight code in the order of Flagger's own steps; the same
//! answers replay the same decision, which is what lets a recorded decision be examined later.
//!
//! In: [`Input`] (whose tick, when, under which settings) and the [`Answer`]s so far, in order.
//! Out: [`Turn`]: what to tell the world, then the next [`Ask`] or the [`Outcome`].
//! Never: a clock, I/O, randomness, async, callbacks; who drives it.
//!
//! Workloads: Deployments. Providers: `nginx`, `gatewayapi:v1`, `gatewayapi:v1beta1`, `kubernetes`. A Canary with another
//! provider or kind of target is stopped with a Warning event that says so. `docs/flagger-open-points.md` lists what
//! Flagger's behaviour leaves open and what was chosen here.

pub mod admission;
pub mod alerts;
mod analysis;
pub mod ask;
pub mod check;
mod context;
pub mod deletion;
pub mod detect;
pub mod hash;
pub mod hooks;
mod initialize;
mod messages;
mod objects;
pub mod policy;
mod promote;
pub mod query;
pub mod readiness;
mod rollback;
pub mod routes;
mod script;
mod start;
pub mod status;
pub mod strategy;
pub mod template;
pub mod tick;

pub use ask::{
    Alert, AnalysisStatus, Answer, ApiError, ApiReason, Ask, Event, HookCall, Input, Level, LogLevel, Meter,
    MetricServer, Next, Outcome, Query, QueryError, SessionCookies, Settings, Severity, StatusWrite, Step, Strategy,
    Sync, Tell, Turn, Write,
};
pub use deletion::finalize;
pub use policy::policy;
pub use tick::tick;

//! The embedded Kubernetes API over JSON values.
//!
//! In: HTTP requests (`Server::router`), or the same verbs in process (`Server::api`); both take the same path. What only
//! those who run the pods can know (logs, commands, ports, use of resources) comes from a [`NodeAgent`].
//! Out: objects, watches, and errors in the words of the real server.
//! Never: canaries, traffic, typed client crates; a clock other than `sys::clock`; a random number without the seed.
//!
//! How a write flows: `api` finds the kind (`kinds`), decodes against its schema (`schema`: types, pruning), applies the
//! patch (`patch`), fills in what is missing (`defaults`), refuses what is wrong (`validate`), records who owns which field
//! (`patch::apply`), commits with the next revision (`store`), and then lets owners, finalizers and namespaces take their
//! effect (`gc`) before it answers. So garbage collection is not a race here: it is done when the write is done.

mod access;
mod addresses;
mod api;
mod crd;
mod defaults;
mod discovery;
mod gc;
mod http;
mod json;
mod kinds;
mod meta;
mod node;
mod object;
mod openapi;
mod options;
mod patch;
mod protobuf;
mod rbac;
mod schema;
mod selector;
mod server;
mod status;
mod store;
mod table;
mod token;
mod validate;
mod watch;

pub use access::{Asked, User};
pub use api::{Api, List};
pub use kinds::{Kind, resource};
pub use node::{Connection, ContainerAt, Ended, LogOptions, Measured, NodeAgent, SharedNodeAgent, Usage};
pub use options::{
    DeleteOptions, FieldValidation, ListOptions, PatchKind, Preconditions, Propagation, Subresource, Target,
    TextFaults, WatchOptions, WriteOptions,
};
pub use selector::field::FieldSelector;
pub use selector::label::LabelSelector;
pub use server::Server;
pub use status::{Cause, Details, FieldError, Reason, Status};
pub use store::Footprint;
pub use watch::{WatchEvent, WatchEventKind, WatchStream};

//! Flux artifacts: manifests as an OCI image in a registry, which is where Flux takes them from when there is no Git server.
//!
//! In: files, where they come from; a registry's address and a way to send there.
//! Out: one image of one layer under a tag; a promotion is the same image under one more tag.
//! Never: clusters, and whoever reconciles the artifact; credentials (a lab's registry has none).
//!
//! Media types and annotations are those of Flux' RFC 0003; the calls are those of the OCI distribution specification 1.1.

mod pack;
mod push;

pub use pack::{Artifact, Blob, Origin, PackError};
pub use push::{PushError, Repository};

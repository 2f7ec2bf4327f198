//! The embedded Kubernetes API over JSON values.
//!
//! In: HTTP requests, or the same verbs in process.
//! Out: objects, watches, errors as the real one gives them.
//! Never: canaries, traffic, typed client crates.

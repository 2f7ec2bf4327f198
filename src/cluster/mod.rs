//! Talking to any Kubernetes API; the only station that names the kube crate.
//!
//! In: requests in plain JSON.
//! Out: objects, watches, errors with the way out.
//! Never: which lab it talks to.

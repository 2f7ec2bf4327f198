//! The controllers and the kubelet that a canary needs: Deployment, ReplicaSet, Pod, Service, HPA.
//!
//! In: objects from the embedded API.
//! Out: objects, and running processes behind pods.
//! Never: canaries, routers, HTTP of its own.
